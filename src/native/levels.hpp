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
    void (*weigh)(const Job&, Size first, Size last, double* to);  // adds derivatives by the taps, of some rows
};

// The levels that this machine can run, the best first.
const std::vector<Level>& levels();

// The one in use, at first the best; and another one by its name, false where this machine has none of that name.
const Level& level_in_use();
bool use_level(const char* name);

}  // namespace faltung
