// Tiles of a picture by way of their spectra (overlap-save). Two tiles of real numbers make one of complex numbers:
// the kernel is real, so their answers come apart again as real and imaginary part. Whole numbers leave room in double
// precision for two more: answers to a + split b come apart again by rounding to multiples of `split`.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <type_traits>

#include "memory.hpp"
#include "rows.hpp"
#include "transform.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

template <class T> class Tiles {
    using Bits = typename std::conditional<sizeof(T) == 4, std::uint32_t, std::uint64_t>::type;
    static constexpr Bits EXPONENT = sizeof(T) == 4 ? Bits(0x7f800000) : Bits(0x7ff0000000000000);  // NaN, infinity
    static constexpr Size PAD = 64 / Size(sizeof(T));  // keeps rows from lying a power of two apart

    static constexpr Size PANEL = 256 / Size(sizeof(T));  // columns that are transformed together

    struct Give {
        void operator()(T* memory) const { give(memory); }
    };

    const Job& job;
    const Size ty, tx, across;      // sides of a tile; tiles in a row of them
    const Size places_y, places_x;  // answers along a tile
    const Transform<T> along_y, along_x;
    const LoadPhase<T> load;
    std::unique_ptr<T[], Give> room;
    Plane<T> panel;            // ty x PANEL: some columns of a tile
    Plane<T> turned, product;  // tx x ty: spectra, turned, so that they are transformed along the first axis again

    static Size places(const Axis& axis, Size side) { return (side - axis.extent(1)) / axis.stride + 1; }

    // Lays the planes out and says how much room they take.
    Size lay(T* at) {
        const T* const start = at;
        auto plane = [&](Size rows, Size pitch) {
            Plane<T> made{at, at + rows * pitch, pitch};
            at += 2 * rows * pitch;
            return made;
        };
        panel = plane(ty, PANEL + PAD);
        turned = plane(tx, ty + PAD);
        product = job.kernels > 1 ? plane(tx, ty + PAD) : turned;
        return at - start;
    }

    static Plane<T> part(Plane<T> plane, Size row, Size column) {
        const Size offset = row * plane.pitch + column;
        return {plane.re + offset, plane.im + offset, plane.pitch};
    }

    // Transforms columns of the panel and writes them as rows `x` of the turned spectrum.
    void forward(Size x, Size width) {
        along_y.template apply<true>(panel, width);
        const Plane<T> to = part(turned, x, 0);
        transpose(panel.re, ty, width, panel.pitch, to.re, to.pitch);
        transpose(panel.im, ty, width, panel.pitch, to.im, to.pitch);
    }

    void backward(Size x, Size width) {
        const Plane<T> from = part(product, x, 0);
        transpose(from.re, width, ty, from.pitch, panel.re, panel.pitch);
        transpose(from.im, width, ty, from.pitch, panel.im, panel.pitch);
        along_y.template apply<false>(panel, width);
    }

    // Writes the pixels of a tile's columns x0 .. x0+width-1, or adds `split` times them to those of another one, which
    // were written before; false where all of them are padding.
    template <bool MORE> bool fill(Size number, Size x0, Size width, T* to) const {
        const Size first_y = number / across * places_y * job.y.stride - job.y.before;
        const Size first_x = number % across * places_x * job.x.stride - job.x.before + x0;
        // Beyond the padding nothing is read by an answer that is kept.
        const Size end_y = job.y.extent(job.y.answers) - job.y.before, end_x = job.x.extent(job.x.answers) - job.x.before;
        const Size read = number < 0 ? 0 : std::max<Size>(0, std::min(width, end_x - first_x));
        for (Size r = 0; r < ty; ++r, to += panel.pitch) {
            const Size place = read && first_y + r < end_y ? source(job.y, first_y + r) : -1;
            if constexpr (MORE) {
                T line[PANEL];
                if (place < 0) continue;
                load(job, job.image + place * job.image_row, first_x, 1, read, line);
                for (Size c = 0; c < read; ++c) to[c] += T(job.split) * line[c];
            } else if (place < 0) {
                std::fill(to, to + width, T(0));
            } else {
                load(job, job.image + place * job.image_row, first_x, 1, read, to);
                std::fill(to + read, to + width, T(0));
            }
        }
        return read > 0;
    }

    // Writes the answers in a tile's columns x0 .. x0+width-1, or where there is `split` those of the one tile or of the
    // other one; false where one is not finite.
    bool keep(Size number, Size kernel, Size x0, Size width, const T* from, bool other = false) const {
        if (number < 0) return true;
        const Size stride = job.x.stride, y0 = number / across * places_y, first = number % across * places_x;
        const Size c0 = (x0 + stride - 1) / stride;
        const Size c1 = std::min((x0 + width - 1) / stride + 1, std::min(places_x, job.x.answers - first));
        const Size rows = std::min(places_y, job.y.answers - y0), count = c1 - c0;
        if (count <= 0) return true;
        const bool whole = job.result <= Type::int64;
        T line[PANEL];
        Bits worst = 0;
        char* to = job.answer + kernel * job.answer_kernel + y0 * job.answer_row + (first + c0) * job.answer_column;
        for (Size r = 0; r < rows; ++r, to += job.answer_row) {
            const T* row = from + r * job.y.stride * panel.pitch + c0 * stride - x0;
            if (stride == 1) std::copy(row, row + count, line);
            else
                for (Size c = 0; c < count; ++c) line[c] = row[c * stride];
            for (Size c = 0; c < count; ++c) {
                Bits bits;
                std::memcpy(&bits, line + c, sizeof(T));
                worst = std::max<Bits>(worst, bits & EXPONENT);
            }
            if (whole)
                for (Size c = 0; c < count; ++c) line[c] = std::rint(line[c]);
            if (job.split != 0) {
                const T split = T(job.split), part = 1 / split;  // powers of two
                for (Size c = 0; c < count; ++c) {
                    const T multiple = std::rint(line[c] * part);
                    line[c] = other ? multiple : line[c] - multiple * split;
                }
            }
            store<T>(line, count, to, job.answer_column, job.result);
        }
        return worst != EXPONENT;
    }

    // Multiplies a strip of the spectrum, `columns` wide, with that of a kernel.
    void multiply(Plane<T> at, const T* spectrum, Plane<T> to, Size columns) const {
        const T* __restrict kr = spectrum;
        const T* __restrict ki = spectrum + tx * ty;
        for (Size r = 0; r < tx; ++r)
            for (Size c = 0; c < columns; ++c) {
                const T ar = at.re[r * at.pitch + c], ai = at.im[r * at.pitch + c], br = kr[r * ty + c], bi = ki[r * ty + c];
                to.re[r * to.pitch + c] = ar * br - ai * bi;
                to.im[r * to.pitch + c] = ar * bi + ai * br;
            }
    }

public:
    Tiles(const Job& job, Size ty, Size tx)
        : job(job), ty(ty), tx(tx), across(job.x.answers ? Job::tiles_along(job.x, tx) : 1), places_y(places(job.y, ty)),
          places_x(places(job.x, tx)), along_y(ty), along_x(tx), load(loader<T>(job.pixel)) {
        room.reset(static_cast<T*>(take(std::size_t(lay(nullptr)) * sizeof(T))));
        if (!room) throw std::bad_alloc();
        lay(room.get());
    }

    // The spectrum of a kernel, turned, without the padding: tx x ty real parts, then the imaginary ones.
    void spectrum(const T* taps, T* to) {
        for (Size x = 0; x < tx; x += PANEL) {
            const Size width = std::min(PANEL, tx - x);
            for (Size r = 0; r < ty; ++r) {
                std::fill(panel.re + r * panel.pitch, panel.re + r * panel.pitch + width, T(0));
                std::fill(panel.im + r * panel.pitch, panel.im + r * panel.pitch + width, T(0));
            }
            for (Size n = 0; n < job.x.taps; ++n) {
                const Size column = (tx - job.x.dilation * n) % tx - x;
                for (Size m = 0; column >= 0 && column < width && m < job.y.taps; ++m)
                    panel.re[(ty - job.y.dilation * m) % ty * panel.pitch + column] = taps[m * job.x.taps + n] / T(ty * tx);
            }
            forward(x, width);
        }
        along_x.template apply<true>(turned, ty);
        for (Size r = 0; r < tx; ++r) {
            std::copy(turned.re + r * turned.pitch, turned.re + r * turned.pitch + ty, to + r * ty);
            std::copy(turned.im + r * turned.pitch, turned.im + r * turned.pitch + ty, to + (tx + r) * ty);
        }
    }

    // How many tiles make one.
    Size together() const { return job.split != 0 ? 4 : 2; }

    // Computes the tiles first .. last-1, at most so many; false where an answer is not finite.
    bool compute(Size first, Size last, const T* spectra) {
        const auto number = [&](Size n) { return first + n < last ? first + n : -1; };
        for (Size x = 0; x < tx; x += PANEL) {
            const Size width = std::min(PANEL, tx - x);
            bool any = fill<false>(number(0), x, width, panel.re);
            any |= fill<false>(number(1), x, width, panel.im);
            if (job.split != 0) {
                any |= fill<true>(number(2), x, width, panel.re);
                any |= fill<true>(number(3), x, width, panel.im);
            }
            if (any) forward(x, width);
            else {
                std::fill(turned.re + x * turned.pitch, turned.re + (x + width) * turned.pitch, T(0));
                std::fill(turned.im + x * turned.pitch, turned.im + (x + width) * turned.pitch, T(0));
            }
        }
        bool finite = true;
        for (Size k = 0; k < job.kernels; ++k) {
            for (Size c = 0, strip = along_x.strip(); c < ty; c += strip) {  // there, product and back while it is near
                if (k == 0) along_x.template apply_strip<true>(part(turned, 0, c));
                multiply(part(turned, 0, c), spectra + 2 * k * tx * ty + c, part(product, 0, c), strip);
                along_x.template apply_strip<false>(part(product, 0, c));
            }
            for (Size x = 0; x <= (places_x - 1) * job.x.stride; x += PANEL) {  // what lies behind is mixed and not kept
                const Size width = std::min(PANEL, tx - x);
                backward(x, width);
                finite &= keep(number(0), k, x, width, panel.re);
                finite &= keep(number(1), k, x, width, panel.im);
                if (job.split != 0) {
                    keep(number(2), k, x, width, panel.re, true);
                    keep(number(3), k, x, width, panel.im, true);
                }
            }
        }
        return finite;
    }
};

}}  // namespace faltung::FALTUNG_LEVEL
