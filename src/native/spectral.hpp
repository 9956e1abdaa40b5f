// Tiles of a picture by way of their spectra (overlap-save). Two tiles of real numbers make one of complex numbers:
// the kernel is real, so their answers come apart again as real and imaginary part.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <type_traits>

#include "rows.hpp"
#include "transform.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

template <class T> class Tiles {
    using Bits = typename std::conditional<sizeof(T) == 4, std::uint32_t, std::uint64_t>::type;
    static constexpr Bits EXPONENT = sizeof(T) == 4 ? Bits(0x7f800000) : Bits(0x7ff0000000000000);  // NaN, infinity
    static constexpr Size PAD = 64 / Size(sizeof(T));  // keeps rows from lying a power of two apart

    const Job& job;
    const Size ty, tx, across;  // sides of a tile; tiles in a row of them
    const Size places_y, places_x;  // answers along a tile
    const Transform<T> along_y, along_x;
    const LoadPhase<T> load;
    const Size pitch, pitch_turned;
    std::unique_ptr<T[]> room;
    Plane<T> tile, turned, product;

    static Size places(const Axis& axis, Size side) { return (side - axis.extent(1)) / axis.stride + 1; }

    void forward() {
        along_y.template apply<true>(tile, tx);
        transpose(tile.re, ty, tx, pitch, turned.re, pitch_turned);
        transpose(tile.im, ty, tx, pitch, turned.im, pitch_turned);
        along_x.template apply<true>(turned, ty);
    }

    void backward() {
        along_x.template apply<false>(product, ty);
        transpose(product.re, tx, ty, pitch_turned, tile.re, pitch);
        transpose(product.im, tx, ty, pitch_turned, tile.im, pitch);
        along_y.template apply<false>(tile, tx);
    }

    void fill(Size number, T* to) const {
        const Size first_y = number / across * places_y * job.y.stride - job.y.before;
        const Size first_x = number % across * places_x * job.x.stride - job.x.before;
        // Beyond the padding nothing is read by an answer that is kept.
        const Size end_y = job.y.extent(job.y.answers) - job.y.before, end_x = job.x.extent(job.x.answers) - job.x.before;
        const Size width = std::max<Size>(0, std::min(tx, end_x - first_x));
        for (Size r = 0; r < ty; ++r, to += pitch) {
            const Size place = first_y + r < end_y ? source(job.y, first_y + r) : -1;
            if (place < 0) std::fill(to, to + tx, T(0));
            else {
                load(job, job.image + place * job.image_row, first_x, 1, width, to);
                std::fill(to + width, to + tx, T(0));
            }
        }
    }

    // Writes the answers of a tile; false where one is not finite.
    bool keep(Size number, Size kernel, const T* from) const {
        const Size y0 = number / across * places_y, x0 = number % across * places_x;
        const Size rows = std::min(places_y, job.y.answers - y0), count = std::min(places_x, job.x.answers - x0);
        const bool whole = job.result <= Type::int64;
        std::unique_ptr<T[]> line(new T[count]);
        Bits worst = 0;
        for (Size r = 0; r < rows; ++r) {
            const T* row = from + r * job.y.stride * pitch;
            for (Size c = 0; c < count; ++c) {
                const T value = row[c * job.x.stride];
                Bits bits;
                std::memcpy(&bits, &value, sizeof(T));
                worst = std::max<Bits>(worst, bits & EXPONENT);
                line[c] = whole ? std::rint(value) : value;
            }
            store<T>(line.get(), count,
                     job.answer + kernel * job.answer_kernel + (y0 + r) * job.answer_row + x0 * job.answer_column,
                     job.answer_column, job.result);
        }
        return worst != EXPONENT;
    }

public:
    Tiles(const Job& job, Size ty, Size tx)
        : job(job), ty(ty), tx(tx), across(Job::tiles_along(job.x, tx)),
          places_y(places(job.y, ty)), places_x(places(job.x, tx)), along_y(ty), along_x(tx), load(loader<T>(job.pixel)),
          pitch(tx + PAD), pitch_turned(ty + PAD), room(new T[2 * ty * pitch + 4 * tx * pitch_turned]) {
        T* at = room.get();
        auto plane = [&](Size rows, Size length) {
            Plane<T> made{at, at + rows * length, length};
            at += 2 * rows * length;
            return made;
        };
        tile = plane(ty, pitch);
        turned = plane(tx, pitch_turned);
        product = plane(tx, pitch_turned);
    }

    // The spectrum of a kernel, turned, without the padding: tx x ty real parts, then the imaginary ones.
    void spectrum(const T* taps, T* to) {
        for (Size r = 0; r < ty; ++r) {
            std::fill(tile.re + r * pitch, tile.re + r * pitch + tx, T(0));
            std::fill(tile.im + r * pitch, tile.im + r * pitch + tx, T(0));
        }
        for (Size m = 0; m < job.y.taps; ++m)
            for (Size n = 0; n < job.x.taps; ++n)
                tile.re[(ty - job.y.dilation * m) % ty * pitch + (tx - job.x.dilation * n) % tx] =
                    taps[m * job.x.taps + n] / T(ty * tx);
        forward();
        for (Size r = 0; r < tx; ++r) {
            std::copy(turned.re + r * pitch_turned, turned.re + r * pitch_turned + ty, to + r * ty);
            std::copy(turned.im + r * pitch_turned, turned.im + r * pitch_turned + ty, to + (tx + r) * ty);
        }
    }

    // Computes two tiles, or one where the second is -1; false where an answer is not finite.
    bool pair(Size one, Size two, const T* spectra) {
        fill(one, tile.re);
        if (two >= 0) fill(two, tile.im);
        else std::fill(tile.im, tile.im + ty * pitch, T(0));
        forward();
        bool finite = true;
        for (Size k = 0; k < job.kernels; ++k) {
            const T* __restrict kr = spectra + 2 * k * tx * ty;
            const T* __restrict ki = kr + tx * ty;
            for (Size r = 0; r < tx; ++r) {
                const T* __restrict ar = turned.re + r * pitch_turned;
                const T* __restrict ai = turned.im + r * pitch_turned;
                T* __restrict pr = product.re + r * pitch_turned;
                T* __restrict pi = product.im + r * pitch_turned;
                for (Size c = 0; c < ty; ++c) {
                    const T br = kr[r * ty + c], bi = ki[r * ty + c];
                    pr[c] = ar[c] * br - ai[c] * bi;
                    pi[c] = ar[c] * bi + ai[c] * br;
                }
            }
            backward();
            finite &= keep(one, k, tile.re);
            if (two >= 0) finite &= keep(two, k, tile.im);
        }
        return finite;
    }

};

}}  // namespace faltung::FALTUNG_LEVEL
