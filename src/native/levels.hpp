// The levels of vector instructions that were compiled in, and the best one that this machine has.
#pragma once
#include <vector>

#include "job.hpp"

namespace faltung {

struct Level {
    const char* name;
    void (*band)(const Job&, Size first, Size last);   // computes some rows of answers
    void (*spectrum)(const Job&, void* to);            // writes the spectra of the kernels
    bool (*tiles)(const Job&, Size first, Size last);  // computes some tiles; false where an answer is not finite
};

// The levels that this machine can run, the best first.
const std::vector<Level>& levels();

}  // namespace faltung
