// A tile of R rows of answers and V vectors of columns.
#pragma once
#include "reading.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// Adds the products of one row of taps to the sums of the answers A .. B-1. EVEN: tap n reads n pixels further on.
// Floats are summed row by row: the many products of a row are added to one another before they meet the large sum of
// all, which rounds less. For the answer FIRST the row is the first one, and there is no sum yet.
template <int A, int B, int FIRST, int W, int V, bool EVEN, class T>
inline __attribute__((always_inline)) void add_row(typename Vector<T>::type (&sums)[ROWS][V], const T* row,
                                                   const Size* offsets, const T* taps, Size any_width) {
    using Vec = typename Vector<T>::type;
    constexpr bool lines = std::is_floating_point<T>::value && W != 1;
    Vec line[ROWS][V];
    clear<A, lines ? B : A>(line);
    const Size width = W ? W : any_width;
    forget(row);
    forget(taps);
    const auto add_tap = [&](Size n) __attribute__((always_inline)) {
        Vec pixels[V];
        load<T>(pixels, row + (EVEN ? n : offsets[n]));
        repeat<A, B>([&](auto r) __attribute__((always_inline)) {
            const Vec tap = taps[n - r * width] - Vec{};
            Vec(&to)[V] = lines && r != FIRST ? line[r] : sums[r];
            repeat<0, V>([&](auto v) __attribute__((always_inline)) { to[v] += tap * pixels[v]; });
        });
    };
    if constexpr (W > 0) {
        repeat<0, W>(add_tap);
    } else {
#pragma GCC unroll 3
        for (Size n = 0; n < width; ++n) add_tap(n);
    }
    repeat<A, lines ? B : A>([&](auto r) __attribute__((always_inline)) {
        if constexpr (r != FIRST)
            repeat<0, V>([&](auto v) __attribute__((always_inline)) { sums[r][v] += line[r][v]; });
    });
}

// Neighbouring answers share the rows that they read: each row is loaded once for all of them. H is the kernel's
// height where it is less than ROWS - 1 or a common one, W its width where that is a common one, else 0.
template <int H, int W, int V, bool EVEN, class T>
inline __attribute__((always_inline)) void shared(const Reading<T>& reading, Size x,
                                                  typename Vector<T>::type (&sums)[ROWS][V]) {
    const Size height = H ? H : reading.height, width = W ? W : reading.width;
    for (Size c = 0; c < reading.components; ++c) {
        const T* const* rows = reading.rows + c * reading.span;
        const T* taps = reading.taps + c * height * width;
        if constexpr (H > 0) {
            repeat<0, H + ROWS - 1>([&](auto q) __attribute__((always_inline)) {
                constexpr int A = q < H ? 0 : q - H + 1, B = q < ROWS ? q + 1 : ROWS;
                add_row<A, B, q < ROWS ? int(q) : -1, W, V, EVEN, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            });
        } else {
            repeat<0, ROWS - 1>([&](auto q) __attribute__((always_inline)) {
                add_row<0, q + 1, q, W, V, EVEN, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            });
            for (Size q = ROWS - 1; q < height; ++q)
                add_row<0, ROWS, -1, W, V, EVEN, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            repeat<1, ROWS>([&](auto a) __attribute__((always_inline)) {
                const Size q = height + a - 1;
                add_row<a, ROWS, -1, W, V, EVEN, T>(sums, rows[q] + x, reading.offsets, taps + q * width, width);
            });
        }
    }
}

// R answers that are strides apart, each with rows of its own. LINES: floats are summed row by row, as above.
template <int R, int V, bool EVEN, bool LINES, class T>
inline __attribute__((always_inline)) void apart(const Reading<T>& reading, Size x,
                                                 typename Vector<T>::type (&sums)[ROWS][V]) {
    using Vec = typename Vector<T>::type;
    const Size step = reading.stride;
    for (Size c = 0; c < reading.components; ++c) {
        const T* const* rows = reading.rows + c * reading.span;
        for (Size m = 0; m < reading.height; ++m) {
            const T* taps = reading.taps + (c * reading.height + m) * reading.width;
            const T* row[R];
            repeat<0, R>([&](auto r) __attribute__((always_inline)) { row[r] = rows[r * step + m * reading.dilation] + x; });
            Vec line[ROWS][V];
            clear<0, LINES ? R : 0>(line);
            for (Size n = 0; n < reading.width; ++n) {
                const Vec tap = taps[n] - Vec{};
                const Size offset = EVEN ? n : reading.offsets[n];
                repeat<0, R>([&](auto r) __attribute__((always_inline)) {
                    repeat<0, V>([&](auto v) __attribute__((always_inline)) {
                        Vec pixels;
                        std::memcpy(&pixels, row[r] + offset + v * Vector<T>::width, sizeof(Vec));
                        (LINES ? line : sums)[r][v] += tap * pixels;
                    });
                });
            }
            add<0, LINES ? R : 0>(sums, line);
        }
    }
}

// H: 0 or more for rows that are shared, -1 for rows apart, -2 for rows apart of one row of taps each.
template <int R, int H, int W, int V, bool EVEN, class T> void tile(const Reading<T>& reading, Size x, T* const* to) {
    typename Vector<T>::type sums[ROWS][V];
    clear<0, R>(sums);
    if constexpr (R == ROWS && H >= 0) shared<H, W, V, EVEN, T>(reading, x, sums);
    else apart<R, V, EVEN, H == -1 && std::is_floating_point<T>::value, T>(reading, x, sums);
    write<R>(sums, to, x);
}

template <int R, int H, int W, int V, bool EVEN, class T> void columns(const Reading<T>& reading, Size count, T* const* to) {
    across<T, V>(count, [&](Size x, auto vectors) __attribute__((always_inline)) {
        if constexpr (R == ROWS && vectors == V) reading.template fetch<V * Vector<T>::width>(x);
        tile<R, H, W, vectors, EVEN, T>(reading, x, to);
    });
}

}}  // namespace faltung::FALTUNG_LEVEL
