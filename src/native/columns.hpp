// Which loops sum which taps.
#pragma once
#include "bank.hpp"
#include "held.hpp"
#include "sparse.hpp"
#include "tile.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// One kernel: `rows` rows of answers, 1 or ROWS.
template <class T> void rows_of_columns(const Reading<T>& reading, int rows, Size count, T* const* to) {
    constexpr int V = VECTORS<T>;
    if (reading.terms) return rows == 1 ? columns_of_terms<1, T>(reading, count, to) : columns_of_terms<ROWS, T>(reading, count, to);
    if (rows == 1 && reading.height == 1)
        return reading.even ? columns<1, -2, 0, 8, true, T>(reading, count, to)
                            : columns<1, -2, 0, 8, false, T>(reading, count, to);
    if (rows == 1) return columns<1, -1, 0, 4, false, T>(reading, count, to);
    if (reading.stride != 1 || reading.dilation != 1) return columns<ROWS, -1, 0, 2, false, T>(reading, count, to);
    if (reading.height == 1) return columns<ROWS, 1, 0, V, false, T>(reading, count, to);
    if (reading.height == 2) return columns<ROWS, 2, 0, V, false, T>(reading, count, to);
    if (reading.width == 1) return columns<ROWS, 0, 1, V, true, T>(reading, count, to);
    if (reading.height == 3 && reading.width == 3)
        return reading.even ? columns_held<3, 3, true, T>(reading, count, to) : columns_held<3, 3, false, T>(reading, count, to);
    if (!reading.even) return columns<ROWS, 0, 0, V, false, T>(reading, count, to);
    if constexpr (std::is_floating_point<T>::value) {
        if (reading.height == 5 && reading.width == 5) return columns_held<5, 5, true, T>(reading, count, to);
        if (reading.height == 7 && reading.width == 7) return columns<ROWS, 7, 7, V, true, T>(reading, count, to);
    }
    return columns<ROWS, 0, 0, V, true, T>(reading, count, to);
}

// Whether ROWS kernels are sooner done together than one by one with their taps in registers.
template <class T> bool worth_joining(const Reading<T>& reading) {
    constexpr Size few = FALTUNG_BYTES == 32 ? (std::is_floating_point<T>::value ? 5 : 3) : 0;  // of 16 registers
    return !(reading.even && reading.stride == 1 && reading.height == reading.width && (reading.width == 3 || reading.width == 5) &&
             reading.width <= few);
}

// ROWS kernels: one row of answers of each.
template <class T> void kernels_of_columns(const Reading<T>& reading, Size count, T* const* to) {
    if (!reading.even) return columns_of_bank<0, false, T>(reading, count, to);
    if (reading.width == 3) return columns_of_bank<3, true, T>(reading, count, to);
    if (reading.width == 5) return columns_of_bank<5, true, T>(reading, count, to);
    return columns_of_bank<0, true, T>(reading, count, to);
}

}}  // namespace faltung::FALTUNG_LEVEL
