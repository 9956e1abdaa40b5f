// The innermost loops: a tile of R rows of answers and V vectors of columns is summed in registers.
#pragma once
#include <cstring>
#include <type_traits>
#include <utility>

#include "job.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

template <class T> struct Vector {
    typedef T type __attribute__((vector_size(FALTUNG_BYTES)));
    static constexpr Size width = FALTUNG_BYTES / sizeof(T);
};

// Rows of R answers at a time, V vectors wide: as many sums as there are registers for.
constexpr int ROWS = 4;
constexpr int VECTORS = 2;

// What the tiles of one band have in common. The rows are listed by position: answer row r reads rows[r * stride +
// m * dilation] for tap m, in each of the `components`, `span` rows apart.
template <class T> struct Reading {
    const T* const* rows;
    const Size* offsets;  // of the taps along a row
    const T* taps;        // components x height x width
    Size components, span, height, width, stride, dilation;
};

// Adds the products of one row of taps to the sums of the answers A .. B-1. Floats are summed row by row: the many
// products of a row are added to one another before they meet the large sum of all, which rounds less.
template <int A, int B, int W, int V, class T>
inline __attribute__((always_inline)) void add_row(typename Vector<T>::type (&sums)[ROWS][V], const T* row,
                                                   const Size* offsets, const T* taps, Size any_width) {
    using Vec = typename Vector<T>::type;
    constexpr bool apart = std::is_floating_point<T>::value;
    Vec line[ROWS][V] = {};
    Vec(&to)[ROWS][V] = apart ? line : sums;
    const Size width = W ? W : any_width;
#pragma GCC unroll 3
    for (Size n = 0; n < width; ++n) {
        Vec pixels[V];
        for (int v = 0; v < V; ++v) std::memcpy(&pixels[v], row + offsets[n] + v * Vector<T>::width, sizeof(Vec));
#pragma GCC unroll 4
        for (int r = A; r < B; ++r) {
            const Vec tap = taps[n - r * width] - Vec{};
            for (int v = 0; v < V; ++v) to[r][v] += tap * pixels[v];
        }
    }
    if constexpr (apart)
        for (int r = A; r < B; ++r)
            for (int v = 0; v < V; ++v) sums[r][v] += line[r][v];
}

template <int FROM, int TO, class F> inline __attribute__((always_inline)) void repeat(F&& body) {
    if constexpr (FROM < TO) {
        body(std::integral_constant<int, FROM>());
        repeat<FROM + 1, TO>(body);
    }
}

// Neighbouring answers share the rows that they read: each row is loaded once for all of them. H is the kernel's
// height where it is less than ROWS, W its width where that is a common one, else 0.
template <int H, int W, int V, class T>
inline __attribute__((always_inline)) void shared(const Reading<T>& reading, Size x,
                                                  typename Vector<T>::type (&sums)[ROWS][V]) {
    const Size height = H ? H : reading.height, width = W ? W : reading.width;
    for (Size c = 0; c < reading.components; ++c) {
        const T* const* rows = reading.rows + c * reading.span;
        const T* taps = reading.taps + c * height * width;
        if constexpr (H > 0) {
            repeat<0, H + ROWS - 1>([&](auto q) __attribute__((always_inline)) {
                constexpr int A = q < H ? 0 : q - H + 1, B = q < ROWS ? q + 1 : ROWS;
                add_row<A, B, W, V, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            });
        } else {
            repeat<0, ROWS - 1>([&](auto q) __attribute__((always_inline)) {
                add_row<0, q + 1, W, V, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            });
            for (Size q = ROWS - 1; q < height; ++q)
                add_row<0, ROWS, W, V, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            repeat<1, ROWS>([&](auto a) __attribute__((always_inline)) {
                const Size q = height + a - 1;
                add_row<a, ROWS, W, V, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            });
        }
    }
}

// R answers that are strides apart, each with rows of its own.
template <int R, int V, class T>
inline __attribute__((always_inline)) void apart(const Reading<T>& reading, Size x,
                                                 typename Vector<T>::type (&sums)[ROWS][V]) {
    using Vec = typename Vector<T>::type;
    for (Size c = 0; c < reading.components; ++c) {
        const T* const* rows = reading.rows + c * reading.span;
        for (Size m = 0; m < reading.height; ++m) {
            const T* taps = reading.taps + (c * reading.height + m) * reading.width;
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) {
                const T* row = rows[r * reading.stride + m * reading.dilation] + x;
                Vec line[V] = {};
                for (Size n = 0; n < reading.width; ++n) {
                    const Vec tap = taps[n] - Vec{};
                    for (int v = 0; v < V; ++v) {
                        Vec pixels;
                        std::memcpy(&pixels, row + reading.offsets[n] + v * Vector<T>::width, sizeof(Vec));
                        line[v] += tap * pixels;
                    }
                }
                for (int v = 0; v < V; ++v) sums[r][v] += line[v];
            }
        }
    }
}

template <int R, int H, int W, int V, class T> void tile(const Reading<T>& reading, Size x, T* const* to) {
    using Vec = typename Vector<T>::type;
    Vec sums[ROWS][V] = {};
    if constexpr (R == ROWS && H >= 0) shared<H, W, V, T>(reading, x, sums);
    else apart<R, V, T>(reading, x, sums);
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) std::memcpy(to[r] + x + v * Vector<T>::width, &sums[r][v], sizeof(Vec));
}

// All columns of R rows of answers; there is room for whole vectors behind a row of less than one.
template <int R, int H, int W, class T> void columns(const Reading<T>& reading, Size count, T* const* to) {
    constexpr Size width = Vector<T>::width;
    Size x = 0;
    for (; x + VECTORS * width <= count; x += VECTORS * width) tile<R, H, W, VECTORS, T>(reading, x, to);
    for (; x + width <= count; x += width) tile<R, H, W, 1, T>(reading, x, to);
    if (x < count) tile<R, H, W, 1, T>(reading, count < width ? 0 : count - width, to);
}

template <class T> void rows_of_columns(const Reading<T>& reading, int rows, Size count, T* const* to) {
    if (rows == 1) return columns<1, -1, 0, T>(reading, count, to);
    if (reading.stride != 1 || reading.dilation != 1) return columns<ROWS, -1, 0, T>(reading, count, to);
    switch (reading.height) {
        case 1: return columns<ROWS, 1, 0, T>(reading, count, to);
        case 2: return columns<ROWS, 2, 0, T>(reading, count, to);
        case 3:
            if (reading.width == 3) return columns<ROWS, 3, 3, T>(reading, count, to);
            return columns<ROWS, 3, 0, T>(reading, count, to);
        default:
            if (reading.width == 1) return columns<ROWS, 0, 1, T>(reading, count, to);
            return columns<ROWS, 0, 0, T>(reading, count, to);
    }
}

}}  // namespace faltung::FALTUNG_LEVEL
