// Several kernels on one row of answers: each pixel is loaded once for all of them.
#pragma once
#include "reading.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// ROWS kernels, one behind the other in `reading.taps`; `to` has a row of answers for each. W is the width of the
// kernels where it is a common one, else 0. Floats are summed row by row of taps, as in a tile.
template <int W, int V, bool EVEN, class T> void tile_of_bank(const Reading<T>& reading, Size x, T* const* to) {
    using Vec = typename Vector<T>::type;
    constexpr bool lines = std::is_floating_point<T>::value;
    const Size width = W ? W : reading.width;
    Vec sums[ROWS][V];
    clear<0, ROWS>(sums);
    const T* taps[ROWS];
    repeat<0, ROWS>([&](auto k) __attribute__((always_inline)) { taps[k] = reading.taps + k * reading.height * width; });
    for (Size m = 0; m < reading.height; ++m) {
        const T* row = reading.rows[m * reading.dilation] + x;
        Vec line[ROWS][V];
        clear<0, lines ? ROWS : 0>(line);
        const auto add_taps = [&](Size n) __attribute__((always_inline)) {
            Vec pixels[V];
            load<T>(pixels, row + (EVEN ? n : reading.offsets[n]));
            repeat<0, ROWS>([&](auto k) __attribute__((always_inline)) {
                const Vec tap = taps[k][n] - Vec{};
                repeat<0, V>([&](auto v) __attribute__((always_inline)) { (lines ? line : sums)[k][v] += tap * pixels[v]; });
            });
        };
        if constexpr (W > 0) {
            repeat<0, W>(add_taps);
        } else {
#pragma GCC unroll 2
            for (Size n = 0; n < width; ++n) add_taps(n);
        }
        repeat<0, ROWS>([&](auto k) __attribute__((always_inline)) { taps[k] += width; });
        add<0, lines ? ROWS : 0>(sums, line);
    }
    write<ROWS>(sums, to, x);
}

template <int W, bool EVEN, class T> void columns_of_bank(const Reading<T>& reading, Size count, T* const* to) {
    across<T, VECTORS<T>>(count, [&](Size x, auto vectors) __attribute__((always_inline)) {
        tile_of_bank<W, vectors, EVEN, T>(reading, x, to);
    });
}

}}  // namespace faltung::FALTUNG_LEVEL
