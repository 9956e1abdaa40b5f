// What all innermost loops have in common: vectors, what is read, and sums in registers.
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

// Rows begin at lines of the cache, an odd number of them apart: so they do not drive one another out of it.
template <class T> constexpr Size LINE = 64 / Size(sizeof(T));
template <class T> Size pitch(Size numbers) { return ((numbers + LINE<T> - 1) / LINE<T> | 1) * LINE<T>; }

// A tap and where it reads: the row, as listed, and how many pixels further on.
template <class T> struct Term {
    Size row, offset;
    T tap;
};

// What the tiles of one band have in common. The rows are listed by position: answer row r reads rows[r * stride +
// m * dilation] for tap m, in each of the `components`, `span` rows apart.
template <class T> struct Reading {
    const T* const* rows;
    const Size* offsets;  // of the taps along a row
    const T* taps;        // components x height x width
    Size components, span, height, width, stride, dilation;
    bool even = false;  // tap n of a row reads n pixels further on
    const Term<T>* terms = nullptr;  // the taps that are not 0 where few are, else none
    Size term_count = 0;
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

// Vectors of the columns from `at` on.
template <class T, int V> inline __attribute__((always_inline)) void load(typename Vector<T>::type (&pixels)[V], const T* at) {
    repeat<0, V>([&](auto v) __attribute__((always_inline)) {
        std::memcpy(&pixels[v], at + v * Vector<T>::width, sizeof(pixels[v]));
    });
}

template <int FROM, int TO, int V, class Vec> inline __attribute__((always_inline)) void clear(Vec (&sums)[ROWS][V]) {
    repeat<FROM, TO>([&](auto r) __attribute__((always_inline)) {
        repeat<0, V>([&](auto v) __attribute__((always_inline)) { sums[r][v] = Vec{}; });
    });
}

template <int FROM, int TO, int V, class Vec>
inline __attribute__((always_inline)) void add(Vec (&sums)[ROWS][V], const Vec (&lines)[ROWS][V]) {
    repeat<FROM, TO>([&](auto r) __attribute__((always_inline)) {
        repeat<0, V>([&](auto v) __attribute__((always_inline)) { sums[r][v] += lines[r][v]; });
    });
}

template <int R, int V, class T, class Vec>
inline __attribute__((always_inline)) void write(const Vec (&sums)[ROWS][V], T* const* to, Size x) {
    repeat<0, R>([&](auto r) __attribute__((always_inline)) {
        repeat<0, V>([&](auto v) __attribute__((always_inline)) {
            std::memcpy(to[r] + x + v * Vector<T>::width, &sums[r][v], sizeof(Vec));
        });
    });
}

// Runs tiles of V vectors, and of half as many where so many are not left, over the columns from x on; the last ones may
// be computed twice. There is room for whole vectors behind a row of less than one. `sum` takes x and V.
template <class T, int V, class Sum> inline __attribute__((always_inline)) void across(Size count, Sum&& sum, Size x = 0) {
    constexpr Size width = Vector<T>::width, step = V * width;
    constexpr std::integral_constant<int, V> all{};
    for (; x + step <= count; x += step) sum(x, all);
    if (x == count) return;
    if constexpr (V == 1) {
        sum(std::max<Size>(0, count - width), all);
    } else {
        if (count >= step && count - x > V / 2 * width) sum(count - step, all);
        else across<T, V / 2>(count, sum, x);
    }
}

// Hides from the compiler where a pointer comes from. Else it finds that neighbouring rows have taps in common, keeps
// them all, and has no registers left for the sums.
template <class P> inline __attribute__((always_inline)) void forget(P& pointer) { asm("" : "+r"(pointer)); }

// Rounds a product here: of two products that are added either one may be fused with the sum, and every loop should
// round the same one.
template <class V> inline __attribute__((always_inline)) void settle(V& product) {
#if defined(__x86_64__)
    asm("" : "+v"(product));
#elif defined(__aarch64__)
    asm("" : "+w"(product));
#else
    (void)product;
#endif
}

}}  // namespace faltung::FALTUNG_LEVEL
