// The levels of vector instructions that were compiled in, and the best one that this machine has.
#pragma once
#include <vector>

#include "job.hpp"

namespace faltung {

struct Level {
    const char* name;
    Band band;
};

// The levels that this machine can run, the best first.
const std::vector<Level>& levels();

}  // namespace faltung
