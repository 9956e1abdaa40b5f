// The fast Fourier transform along the first axis of a rectangle of complex numbers, many columns at once.
//
// Forward it decimates in frequency, backward in time (J. W. Cooley and J. W. Tukey, 1965; radix 4): the frequencies
// stand in digit-reversed order between the two, which a product of spectra does not mind. Backward is not scaled.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "shuffle.hpp"
#include "reading.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// Real and imaginary parts lie apart; rows are `pitch` numbers apart.
template <class T> struct Plane {
    T *re, *im;
    Size pitch;
};

template <class T> class Transform {
    const Size n;
    const T *const cosines, *const sines;  // of 2 pi j / n

    // The cosine of 2 pi j / n; both are whole numbers, and n a multiple of 4.
    static long double cosine(Size j, Size n) {
        j %= n;
        if (2 * j > n) j = n - j;
        if (4 * j > n) return -cosine(n / 2 - j, n);
        const long double unit = 2 * 3.14159265358979323846264338327950288L / static_cast<long double>(n);
        return 8 * j <= n ? std::cos(unit * static_cast<long double>(j)) : std::sin(unit * static_cast<long double>(n / 4 - j));
    }

    // Tables are made once for each power of two.
    static const T* table(Size n) {
        static std::once_flag made[LARGEST + 1];
        static std::vector<T> tables[LARGEST + 1];
        int log = 0;
        while (Size(1) << log < n) ++log;
        std::call_once(made[log], [&] {
            tables[log].resize(std::size_t(2 * n));
            for (Size j = 0; j < n; ++j) {  // both in eighths of the circle, where the angle is small and errs little
                tables[log][std::size_t(j)] = T(cosine(j, n));
                tables[log][std::size_t(n + j)] = T(cosine(j + 3 * n / 4, n));
            }
        });
        return tables[log].data();
    }

    // w = exp(-+ 2 pi i j / n); the sign is the direction's.
    struct Root {
        T re, im;
    };
    Root root(Size j, T sign) const { return {cosines[j], sign * sines[j]}; }

    using Vec = typename Vector<T>::type;

    static Vec load(const T* from) {
        Vec found;
        std::memcpy(&found, from, sizeof(Vec));
        return found;
    }

    static void save(T* to, Vec value) { std::memcpy(to, &value, sizeof(Vec)); }

    static inline void times(Vec& re, Vec& im, Root w) {
        const Vec r = re * w.re - im * w.im;
        im = re * w.im + im * w.re;
        re = r;
    }

    template <bool FORWARD, Size columns> void four(Plane<T> at, Size length) const {
        butterflies<FORWARD, columns, false>(at, length, 0, 1);
        butterflies<FORWARD, columns, true>(at, length, 1, length / 4);
    }

    // TURNED: whether the roots are other than 1.
    template <bool FORWARD, Size columns, bool TURNED> void butterflies(Plane<T> at, Size length, Size from, Size to) const {
        const Size q = length / 4, step = n / length, pitch = at.pitch;
        const T sign = FORWARD ? T(-1) : T(1);
        for (Size j = from; j < to; ++j) {
            const Root w1 = root(j * step, sign), w2 = root(2 * j * step, sign), w3 = root(3 * j * step, sign);
            for (Size base = j; base < n; base += length) {
                T* r0 = at.re + base * pitch;
                T* i0 = at.im + base * pitch;
                T* r1 = r0 + q * pitch;
                T* i1 = i0 + q * pitch;
                T* r2 = r1 + q * pitch;
                T* i2 = i1 + q * pitch;
                T* r3 = r2 + q * pitch;
                T* i3 = i2 + q * pitch;
                for (Size c = 0; c < columns; c += Vector<T>::width) {
                    const Vec ar = load(r0 + c), ai = load(i0 + c);
                    Vec br = load(r1 + c), bi = load(i1 + c), cr = load(r2 + c), ci = load(i2 + c);
                    Vec dr = load(r3 + c), di = load(i3 + c);
                    if constexpr (!FORWARD && TURNED) {
                        times(br, bi, w1);
                        times(cr, ci, w2);
                        times(dr, di, w3);
                    }
                    const Vec sr = ar + cr, si = ai + ci, tr = br + dr, ti = bi + di;
                    const Vec ur = ar - cr, ui = ai - ci;
                    const Vec vr = FORWARD ? bi - di : di - bi, vi = FORWARD ? dr - br : br - dr;  // -+ i (b - d)
                    Vec yr = ur + vr, yi = ui + vi, zr = sr - tr, zi = si - ti, xr = ur - vr, xi = ui - vi;
                    if constexpr (FORWARD && TURNED) {
                        times(yr, yi, w1);
                        times(zr, zi, w2);
                        times(xr, xi, w3);
                    }
                    save(r0 + c, sr + tr), save(i0 + c, si + ti);
                    save(r1 + c, yr), save(i1 + c, yi);
                    save(r2 + c, zr), save(i2 + c, zi);
                    save(r3 + c, xr), save(i3 + c, xi);
                }
            }
        }
    }

    template <Size columns> void two(Plane<T> at) const {  // the stage of length 2, where n is no power of 4
        for (Size base = 0; base < n; base += 2) {
            T* r0 = at.re + base * at.pitch;
            T* i0 = at.im + base * at.pitch;
            T* r1 = r0 + at.pitch;
            T* i1 = i0 + at.pitch;
            for (Size c = 0; c < columns; c += Vector<T>::width) {
                const Vec ar = load(r0 + c), ai = load(i0 + c), br = load(r1 + c), bi = load(i1 + c);
                save(r0 + c, ar + br), save(i0 + c, ai + bi);
                save(r1 + c, ar - br), save(i1 + c, ai - bi);
            }
        }
    }

    template <bool FORWARD, Size columns> void stages(Plane<T> at) const {
        if constexpr (FORWARD) {
            Size length = n;
            for (; length >= 4; length /= 4) four<true, columns>(at, length);
            if (length == 2) two<columns>(at);
        } else {
            Size length = 4;
            for (Size left = n; left > 1; left /= 4)
                if (left == 2) {
                    two<columns>(at);
                    length = 8;
                }
            for (; length <= n; length *= 4) four<false, columns>(at, length);
        }
    }

public:
    static constexpr int LARGEST = 14;                 // the logarithm of the largest n
    static constexpr Size LINE = 64 / Size(sizeof(T));  // numbers of a cache line

    explicit Transform(Size n) : n(n), cosines(table(n)), sines(cosines + n) {}  // n is a power of two

    // So many columns at a time stay near the processor through all stages.
    Size strip() const { return 128 * n > 16 << 10 ? NARROW : LINE; }

    template <bool FORWARD> void apply_strip(Plane<T> at) const {
        strip() == LINE ? stages<FORWARD, LINE>(at) : stages<FORWARD, NARROW>(at);
    }

    // `columns` is a multiple of LINE.
    template <bool FORWARD> void apply(Plane<T> at, Size columns) const {
        for (Size c = 0; c < columns; c += strip()) apply_strip<FORWARD>({at.re + c, at.im + c, at.pitch});
    }

private:
    static constexpr Size NARROW = Vector<T>::width;
};

// Writes the columns of a rectangle as rows, in squares of 4 x 4; both sides are multiples of 4.
template <class T> void transpose(const T* from, Size rows, Size columns, Size from_pitch, T* to, Size to_pitch) {
    typedef T Four __attribute__((vector_size(4 * sizeof(T))));
    constexpr Size block = 64 / sizeof(T);  // squares whose lines are whole lines of the cache
    for (Size y = 0; y < rows; y += block)
        for (Size x = 0; x < columns; x += block)
            for (Size i = y; i < std::min(rows, y + block); i += 4)
                for (Size j = x; j < std::min(columns, x + block); j += 4) {
                    Four a, b, c, d;
                    std::memcpy(&a, from + i * from_pitch + j, sizeof(Four));
                    std::memcpy(&b, from + (i + 1) * from_pitch + j, sizeof(Four));
                    std::memcpy(&c, from + (i + 2) * from_pitch + j, sizeof(Four));
                    std::memcpy(&d, from + (i + 3) * from_pitch + j, sizeof(Four));
                    const Four ab = shuffled<0, 4, 1, 5>(a, b), ba = shuffled<2, 6, 3, 7>(a, b);
                    const Four cd = shuffled<0, 4, 1, 5>(c, d), dc = shuffled<2, 6, 3, 7>(c, d);
                    const Four turned[] = {shuffled<0, 1, 4, 5>(ab, cd), shuffled<2, 3, 6, 7>(ab, cd),
                                           shuffled<0, 1, 4, 5>(ba, dc), shuffled<2, 3, 6, 7>(ba, dc)};
                    for (Size r = 0; r < 4; ++r) std::memcpy(to + (j + r) * to_pitch + i, &turned[r], sizeof(Four));
                }
}

}}  // namespace faltung::FALTUNG_LEVEL
