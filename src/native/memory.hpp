// Memory for large answers: kept when an array dies, for the next answer of its size. The system hands out fresh memory
// page by page, each zeroed at its first touch, which takes longer than a small filter does.
#pragma once
#include <cstddef>

namespace faltung {

// Memory for `bytes` from a boundary of 64 on, or nullptr. Safe from any thread.
void* take(std::size_t bytes);

// Gives it back.
void give(void* memory);

// How many bytes a piece of memory has room for.
std::size_t room_of(const void* memory);

constexpr std::size_t LARGE = 1 << 18;  // bytes from which it is worth while

}  // namespace faltung
