// Threads that take pieces of a job. The caller takes pieces too and never waits for a thread that sleeps: only for
// pieces that somebody has begun. Which thread computes a piece does not change the piece.
#pragma once
#include <functional>

#include "job.hpp"

namespace faltung {

// Lets a forked child work with threads of its own; called before there are any.
void prepare_for_fork();

// How many processors this process may use.
int processors();

// Runs body(0) .. body(pieces - 1) on at most `threads` threads, the caller's among them. `stop` is asked by the
// caller between its pieces; once it says true no further piece is begun, and run returns false.
bool run_pieces(Size pieces, int threads, const std::function<void(Size)>& body, const std::function<bool()>& stop);

}  // namespace faltung
