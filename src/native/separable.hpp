// What can be saved by looking at the taps. Kernels that are one column times one row: along x, then along y, they cost
// kh + kw products an answer, not kh kw. Kernels that are 0 nearly everywhere.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "job.hpp"

namespace faltung {

// Whether two passes are sooner than direct sums; measured with AVX2. Direct sums of integers are limited by more than
// their products.
inline bool worth_separating(Size kh, Size kw, bool whole) {
    return whole ? 2 * kh * kw > 3 * (kh + kw) : kh * kw >= 2 * (kh + kw);
}

// Whether it is sooner to visit the taps that are not 0 one by one, each of which then costs twice as much; measured.
inline bool worth_skipping(Size nonzero, Size taps) { return taps >= 25 && 5 * nonzero <= 2 * taps; }

// The row and, behind it, the column of a kernel; empty where it is no such product. Floats: the cross of the largest
// tap, where what it leaves is below the rounding of the sums.
template <class T>
typename std::enable_if<std::is_floating_point<T>::value, std::vector<T>>::type separated(const T* taps, Size kh, Size kw) {
    using Wide = typename std::conditional<sizeof(T) == 4, double, long double>::type;
    const T* largest = taps;
    Wide total = 0;
    for (const T* tap = taps; tap < taps + kh * kw; ++tap) {
        if (!std::isfinite(*tap)) return {};
        total += std::fabs(static_cast<Wide>(*tap));
        if (std::fabs(*tap) > std::fabs(*largest)) largest = tap;
    }
    std::vector<T> found(std::size_t(kw + kh));
    if (total == 0) return found;
    const Size y = (largest - taps) / kw, x = (largest - taps) % kw;
    const Wide scale = std::sqrt(std::fabs(static_cast<Wide>(*largest)));
    // A power of two makes the row sum to at most 1: the first pass is nowhere larger than the pixels.
    Wide sum = 0;
    for (Size n = 0; n < kw; ++n) sum += std::fabs(taps[y * kw + n] * (scale / *largest));
    int power;
    std::frexp(sum, &power);
    for (Size n = 0; n < kw; ++n) found[std::size_t(n)] = T(std::ldexp(taps[y * kw + n] * (scale / *largest), -power));
    for (Size m = 0; m < kh; ++m) found[std::size_t(kw + m)] = T(std::ldexp(taps[m * kw + x] / scale, power));
    const Wide most = std::numeric_limits<T>::epsilon() * total;
    Wide left = 0;
    for (Size m = 0; m < kh; ++m) {
        for (Size n = 0; n < kw; ++n)
            left += std::fabs(taps[m * kw + n] - static_cast<Wide>(found[std::size_t(kw + m)]) * found[std::size_t(n)]);
        if (!(left <= most)) return {};
    }
    return found;
}

// Integers: the first row that is not 0, by the greatest common divisor of its taps; every row is a whole multiple of
// that or the kernel is no such product.
template <class T>
typename std::enable_if<std::is_integral<T>::value, std::vector<T>>::type separated(const T* taps, Size kh, Size kw) {
    std::vector<T> found(std::size_t(kw + kh));
    Size first = 0;
    while (first < kh * kw && taps[first] == 0) ++first;
    if (first == kh * kw) return found;
    const T* row = taps + first / kw * kw;
    const Size lead = first % kw;
    T divisor = 0;
    for (Size n = 0; n < kw; ++n) {
        if (row[n] == std::numeric_limits<T>::min()) return {};  // has no absolute value
        divisor = T(std::gcd(divisor, row[n]));
    }
    for (Size n = 0; n < kw; ++n) found[std::size_t(n)] = T(row[n] / divisor);
    for (Size m = 0; m < kh; ++m) {
        const T times = T(taps[m * kw + lead] / found[std::size_t(lead)]);
        found[std::size_t(kw + m)] = times;
        for (Size n = 0; n < kw; ++n)
            if (static_cast<__int128>(times) * found[std::size_t(n)] != taps[m * kw + n]) return {};
    }
    return found;
}

}  // namespace faltung
