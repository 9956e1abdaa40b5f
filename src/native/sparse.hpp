// Kernels that are 0 nearly everywhere: only the other taps are visited.
#pragma once
#include "reading.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// R rows of answers. The pixels must be finite where they are floats: zero times infinity is no number, and here it
// is left out. Floats are summed in groups, which rounds less.
template <int R, int V, class T> void tile_of_terms(const Reading<T>& reading, Size group, Size x, T* const* to) {
    using Vec = typename Vector<T>::type;
    Vec sums[ROWS][V];
    clear<0, R>(sums);
    for (Size t = 0; t < reading.term_count;) {
        Vec line[ROWS][V];
        clear<0, R>(line);
        for (const Size end = std::min(reading.term_count, t + group); t < end; ++t) {
            const Term<T>& term = reading.terms[t];
            const Vec tap = term.tap - Vec{};
            repeat<0, R>([&](auto r) __attribute__((always_inline)) {
                Vec pixels[V];
                load<T>(pixels, reading.rows[r * reading.stride + term.row] + x + term.offset);
                repeat<0, V>([&](auto v) __attribute__((always_inline)) { line[r][v] += tap * pixels[v]; });
            });
        }
        add<0, R>(sums, line);
    }
    write<R>(sums, to, x);
}

template <int R, class T> void columns_of_terms(const Reading<T>& reading, Size count, T* const* to) {
    Size group = 2;
    while (group * group < reading.term_count) ++group;
    across<T, VECTORS<T>>(count, [&](Size x, auto vectors) __attribute__((always_inline)) {
        tile_of_terms<R, vectors, T>(reading, group, x, to);
    });
}

}}  // namespace faltung::FALTUNG_LEVEL
