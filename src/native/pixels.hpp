// The rows of pixels that answers read, laid out for vectors.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "reading.hpp"
#include "rows.hpp"

namespace faltung { namespace FALTUNG_LEVEL {

// The pixels of a row that the answers x0 .. x1-1 read, as contiguous numbers of type T: one run for each phase of
// the stride that a tap falls on. Rows are copied even where the picture's own would do: in a buffer they do not lie a
// power of two apart, where they would drive one another out of the cache, and the borders need no loops of their own.
template <class T> class Source {
    const Job& job;
    const Size start, extent;
    const LoadPhase<T> load;
    const Size phases;

    Size along(Size phase) const { return (extent - phase + job.x.stride - 1) / job.x.stride; }

public:
    const Size length;  // from phase to phase
    std::vector<Size> offsets;  // of the taps

    Source(const Job& job, Size x0, Size x1)
        : job(job), start(job.x.stride * x0 - job.x.before), extent(job.x.extent(x1 - x0)), load(loader<T>(job.pixel)),
          phases(std::min(job.x.stride, job.x.extent(1))),
          length(pitch<T>((extent + job.x.stride - 1) / job.x.stride + Vector<T>::width)), offsets(job.x.taps) {
        for (Size n = 0; n < job.x.taps; ++n) {
            const Size at = job.x.dilation * n;
            offsets[n] = at % job.x.stride * length + at / job.x.stride;
        }
    }

    Size room() const { return phases * length; }

    // Whether a row that was made holds no infinity and no NaN.
    bool finite(const T* row) const {
        typename std::conditional<sizeof(T) == 4, std::int32_t, std::int64_t>::type wrong = 0;
        for (Size phase = 0; phase < phases && phase < extent; ++phase)
            for (Size i = 0; i < along(phase); ++i) {
                const T pixel = row[phase * length + i];
                wrong |= pixel - pixel != 0;  // infinity less itself is no number
            }
        return !wrong;
    }

    void row(Size place, T* to) const {
        const char* from = job.image + place * job.image_row;
        for (Size phase = 0; phase < phases && phase < extent; ++phase)
            load(job, from, start + phase, job.x.stride, along(phase), to + phase * length);
    }
};

}}  // namespace faltung::FALTUNG_LEVEL
