// The innermost loops: a tile of R rows of answers and V vectors of columns is summed in registers.
#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "job.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

template <class T> struct Vector {
    typedef T type __attribute__((vector_size(FALTUNG_BYTES)));
    static constexpr Size width = FALTUNG_BYTES / sizeof(T);
};

// Tiles are as many rows high and vectors wide as there are registers for the sums; products of floats need no register
// of their own.
constexpr int ROWS = 4;
template <class T> constexpr int VECTORS = std::is_floating_point<T>::value ? 3 : 2;

// What the tiles of one band have in common. The rows are listed by position: answer row r reads rows[r * stride +
// m * dilation] for tap m, in each of the `components`, `span` rows apart.
template <class T> struct Reading {
    const T* const* rows;
    const Size* offsets;  // of the taps along a row
    const T* taps;        // components x height x width
    Size components, span, height, width, stride, dilation;
    bool even = false;  // tap n of a row reads n pixels further on
    // The pixels that the next rows will read first, to be fetched meanwhile: ROWS rows, or none.
    const char* ahead = nullptr;
    Size ahead_row = 0, ahead_column = 0;

    template <int COLUMNS> inline __attribute__((always_inline)) void fetch(Size x) const {
        constexpr Size bytes = COLUMNS * Size(sizeof(T));
        for (int r = 0; ahead && r < ROWS; ++r)
            for (Size at = 0; at < bytes; at += 64) __builtin_prefetch(ahead + r * ahead_row + x * ahead_column + at);
    }
};

// Loops that are unrolled before anything else is looked at: so sums with such indices stay in registers.
template <int FROM, int TO, class F> inline __attribute__((always_inline)) void repeat(F&& body) {
    if constexpr (FROM < TO) {
        body(std::integral_constant<int, FROM>());
        repeat<FROM + 1, TO>(body);
    }
}

// Hides from the compiler where a pointer comes from. Else it finds that neighbouring rows have taps in common, keeps
// them all, and has no registers left for the sums.
template <class P> inline __attribute__((always_inline)) void forget(P& pointer) { asm("" : "+r"(pointer)); }

// Adds the products of one row of taps to the sums of the answers A .. B-1. EVEN: tap n reads n pixels further on.
// Floats are summed row by row: the many products of a row are added to one another before they meet the large sum of
// all, which rounds less. For the answer FIRST the row is the first one, and there is no sum yet.
template <int A, int B, int FIRST, int W, int V, bool EVEN, class T>
inline __attribute__((always_inline)) void add_row(typename Vector<T>::type (&sums)[ROWS][V], const T* row,
                                                   const Size* offsets, const T* taps, Size any_width) {
    using Vec = typename Vector<T>::type;
    constexpr bool lines = std::is_floating_point<T>::value && W != 1;
    Vec line[ROWS][V];
    repeat<A, lines ? B : A>([&](auto r) __attribute__((always_inline)) {
        repeat<0, V>([&](auto v) __attribute__((always_inline)) { line[r][v] = Vec{}; });
    });
    const Size width = W ? W : any_width;
    forget(row);
    forget(taps);
    const auto add = [&](Size n) __attribute__((always_inline)) {
        Vec pixels[V];
        const T* at = row + (EVEN ? n : offsets[n]);
        repeat<0, V>([&](auto v) __attribute__((always_inline)) {
            std::memcpy(&pixels[v], at + v * Vector<T>::width, sizeof(Vec));
        });
        repeat<A, B>([&](auto r) __attribute__((always_inline)) {
            const Vec tap = taps[n - r * width] - Vec{};
            Vec(&to)[V] = lines && r != FIRST ? line[r] : sums[r];
            repeat<0, V>([&](auto v) __attribute__((always_inline)) { to[v] += tap * pixels[v]; });
        });
    };
    if constexpr (W > 0) {
        repeat<0, W>(add);
    } else {
#pragma GCC unroll 3
        for (Size n = 0; n < width; ++n) add(n);
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
            repeat<0, LINES ? R : 0>([&](auto r) __attribute__((always_inline)) {
                repeat<0, V>([&](auto v) __attribute__((always_inline)) { line[r][v] = Vec{}; });
            });
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
            repeat<0, LINES ? R : 0>([&](auto r) __attribute__((always_inline)) {
                repeat<0, V>([&](auto v) __attribute__((always_inline)) { sums[r][v] += line[r][v]; });
            });
        }
    }
}

// H: 0 or more for rows that are shared, -1 for rows apart, -2 for rows apart of one row of taps each.
template <int R, int H, int W, int V, bool EVEN, class T> void tile(const Reading<T>& reading, Size x, T* const* to) {
    using Vec = typename Vector<T>::type;
    Vec sums[ROWS][V];
    repeat<0, R>([&](auto r) __attribute__((always_inline)) {
        repeat<0, V>([&](auto v) __attribute__((always_inline)) { sums[r][v] = Vec{}; });
    });
    if constexpr (R == ROWS && H >= 0) shared<H, W, V, EVEN, T>(reading, x, sums);
    else apart<R, V, EVEN, H == -1 && std::is_floating_point<T>::value, T>(reading, x, sums);
    repeat<0, R>([&](auto r) __attribute__((always_inline)) {
        repeat<0, V>([&](auto v) __attribute__((always_inline)) {
            std::memcpy(to[r] + x + v * Vector<T>::width, &sums[r][v], sizeof(Vec));
        });
    });
}

// All columns of R rows of answers, V vectors at a time; the last ones may be computed twice. There is room for whole
// vectors behind a row of less than one.
template <int R, int H, int W, int V, bool EVEN, class T> void columns(const Reading<T>& reading, Size count, T* const* to) {
    constexpr Size step = V * Vector<T>::width;
    Size x = 0;
    for (; x + step <= count; x += step) {
        if constexpr (R == ROWS) reading.template fetch<step>(x);
        tile<R, H, W, V, EVEN, T>(reading, x, to);
    }
    if (x == count) return;
    if constexpr (V > 1) {
        if (count >= step && count - x > Vector<T>::width) return tile<R, H, W, V, EVEN, T>(reading, count - step, to);
    }
    for (; x + Vector<T>::width <= count; x += Vector<T>::width) tile<R, H, W, 1, EVEN, T>(reading, x, to);
    if (x < count) tile<R, H, W, 1, EVEN, T>(reading, std::max<Size>(0, count - Vector<T>::width), to);
}

template <class T> void rows_of_columns(const Reading<T>& reading, int rows, Size count, T* const* to) {
    constexpr int V = VECTORS<T>;
    if (rows == 1 && reading.height == 1)
        return reading.even ? columns<1, -2, 0, 8, true, T>(reading, count, to)
                            : columns<1, -2, 0, 8, false, T>(reading, count, to);
    if (rows == 1) return columns<1, -1, 0, 4, false, T>(reading, count, to);
    if (reading.stride != 1 || reading.dilation != 1) return columns<ROWS, -1, 0, 2, false, T>(reading, count, to);
    if (reading.height == 1) return columns<ROWS, 1, 0, V, false, T>(reading, count, to);
    if (reading.height == 2) return columns<ROWS, 2, 0, V, false, T>(reading, count, to);
    if (reading.width == 1) return columns<ROWS, 0, 1, V, true, T>(reading, count, to);
    if (!reading.even) return columns<ROWS, 0, 0, V, false, T>(reading, count, to);
    if (reading.height == 3 && reading.width == 3) return columns<ROWS, 3, 3, V, true, T>(reading, count, to);
    if constexpr (std::is_floating_point<T>::value) {
        if (reading.height == 5 && reading.width == 5) return columns<ROWS, 5, 5, V, true, T>(reading, count, to);
        if (reading.height == 7 && reading.width == 7) return columns<ROWS, 7, 7, V, true, T>(reading, count, to);
    }
    return columns<ROWS, 0, 0, V, true, T>(reading, count, to);
}

}}  // namespace faltung::FALTUNG_LEVEL
