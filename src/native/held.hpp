// Few taps: all of them stay in registers, and each pixel is loaded once for the answers above it and below.
#pragma once
#include "reading.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// ROWS rows of answers of H x W taps, one vector of columns at a time. Sums are made row by row
// of taps, as in a tile.
template <int H, int W, bool EVEN, class T> void columns_held(const Reading<T>& reading, Size count, T* const* to) {
    using Vec = typename Vector<T>::type;
    // Copies: what is written could else be one of them, for all that the compiler knows.
    Vec taps[H * W];
    const T* rows[H + ROWS - 1];
    Size offsets[W];
    T* at[ROWS];
    repeat<0, H * W>([&](auto n) __attribute__((always_inline)) { taps[n] = reading.taps[n] - Vec{}; });
    repeat<0, H + ROWS - 1>([&](auto q) __attribute__((always_inline)) { rows[q] = reading.rows[q]; });
    repeat<0, W>([&](auto n) __attribute__((always_inline)) { offsets[n] = EVEN ? Size(n) : reading.offsets[n]; });
    repeat<0, ROWS>([&](auto r) __attribute__((always_inline)) { at[r] = to[r]; });
    across<T, 1>(count, [&](Size x, auto) __attribute__((always_inline)) {
        if (x % 64 == 0) reading.template fetch<64>(x);
        Vec sums[ROWS];
        repeat<0, H + ROWS - 1>([&](auto q) __attribute__((always_inline)) {
            constexpr int A = q < H ? 0 : q - H + 1, B = q < ROWS ? q + 1 : ROWS;
            Vec pixels[W];
            repeat<0, W>([&](auto n) __attribute__((always_inline)) {
                std::memcpy(&pixels[n], rows[q] + x + (EVEN ? Size(n) : offsets[n]), sizeof(Vec));
            });
            repeat<A, B>([&](auto r) __attribute__((always_inline)) {
                Vec line = taps[(q - r) * W] * pixels[0];
                settle(line);
                repeat<1, W>([&](auto n) __attribute__((always_inline)) { line += taps[(q - r) * W + n] * pixels[n]; });
                sums[r] = q == r ? line : sums[r] + line;
                if constexpr (q - r == H - 1) std::memcpy(at[r] + x, &sums[r], sizeof(Vec));
            });
        });
    });
}

}}  // namespace faltung::FALTUNG_LEVEL
