#include "running.hpp"

#include <algorithm>

#include "threads.hpp"

namespace faltung {

constexpr double PIECE = 2e6;     // multiplications that are worth handing to a thread
constexpr double PATIENCE = 2e9;  // and those after which Ctrl-C is looked at, whatever the seams cost
constexpr Size TOGETHER = 2;      // transforms that are handed to a thread together
constexpr Size MOST_SUMS = 64;    // pieces of derivatives, which each take memory

void join_channels(Job& job, Planes& planes) {
    if (planes.shape.empty() || job.x.stride != 1 || job.x.boundary != Boundary::zero) return;
    const Size channels = planes.shape.back(), pixel = planes.image_steps.back(), answer = planes.answer_steps.back();
    if (channels < 2 || channels > 64 || pixel != size_of(job.pixel) || job.image_column != channels * pixel ||
        answer != size_of(job.result) || job.answer_column != channels * answer)
        return;
    Axis wide = job.x;
    wide.pixels *= channels;
    wide.answers *= channels;
    wide.dilation *= channels;
    wide.before *= channels;
    if (problem_of(wide)) return;
    job.x = wide;
    job.image_column = pixel;
    job.answer_column = answer;
    planes.shape.pop_back();
    planes.image_steps.pop_back();
    planes.answer_steps.pop_back();
}

bool compute_tiles(const Job& job, const Planes& planes, int threads, std::atomic<bool>& finite) {
    const Level& level = level_in_use();
    const Size count = planes.count(), tiles = job.tiles(), together = TOGETHER * (job.split != 0 ? 4 : 2);
    const Size groups = (tiles + together - 1) / together;
    Interrupt interrupt;
    return run_pieces(
        groups * count, threads,
        [&](Size piece) {
            Job one = job;
            planes.shift(one, piece / groups);
            const Size first = piece % groups * together;
            if (!level.tiles(one, first, std::min(first + together, tiles))) finite = false;
        },
        [&] { return interrupt(); });
}

bool compute(const Job& job, const Planes& planes, int threads) {
    const Level& level = level_in_use();
    const Size count = planes.count();
    const double row = double(job.x.answers) * double(job.kernels) *
                       (job.rank ? double(job.rank) * double(job.x.taps + job.y.taps) : double(job.x.taps) * double(job.y.taps));
    const double plane = row * double(job.y.answers);
    // Rows at the seams are made twice; pieces of many rows keep that small. They do not depend on the threads.
    const Size least = 4 * job.y.extent(1) / job.y.stride + 4;
    Size rows = std::max<Size>(least, Size(PIECE / std::max(row, 1.0)));
    if (double(rows) * row > PATIENCE) rows = Size(PATIENCE / row);
    rows = std::min(job.y.answers, std::max<Size>(1, (rows + 3) / 4) * 4);
    const Size bands = rows ? (job.y.answers + rows - 1) / rows : 0;
    const Size together = bands > 1 ? 1 : std::max<Size>(1, Size(PIECE / std::max(plane, 1.0)));
    const Size groups = (count + together - 1) / together;
    Interrupt interrupt;
    return run_pieces(
        groups * bands, threads,
        [&](Size piece) {
            const Size first = piece % bands * rows, group = piece / bands;
            for (Size at = group * together; at < std::min(count, (group + 1) * together); ++at) {
                Job one = job;
                planes.shift(one, at);
                level.band(one, first, std::min(first + rows, job.y.answers));
            }
        },
        [&] { return interrupt(); });
}

bool compute_weights(const Job& job, const Planes& planes, int threads, double* to) {
    const Level& level = level_in_use();
    const Size size = job.kernels * job.y.taps * job.x.taps, rows = planes.count() * job.y.answers;
    // Pieces are bands of all rows of all planes; each has sums of its own.
    const double row = double(job.x.answers) * double(size);
    const Size least = std::max<Size>(Size(PIECE / std::max(row, 1.0)), job.y.extent(1));
    const Size each = std::max<Size>(std::max<Size>(1, least), (rows + MOST_SUMS - 1) / MOST_SUMS);
    const Size pieces = (rows + each - 1) / each;
    std::vector<double> sums(std::size_t(pieces * size));
    Interrupt interrupt;
    const bool finished = run_pieces(
        pieces, threads,
        [&](Size piece) {
            const Size end = std::min(rows, (piece + 1) * each);
            for (Size at = piece * each; at < end;) {
                const Size plane = at / job.y.answers, first = at % job.y.answers;
                const Size last = std::min(job.y.answers, first + end - at);
                Job one = job;
                planes.shift(one, plane);
                level.weigh(one, first, last, sums.data() + piece * size);
                at += last - first;
            }
        },
        [&] { return interrupt(); });
    std::fill(to, to + size, 0.0);
    for (Size piece = 0; piece < pieces; ++piece)
        for (Size t = 0; t < size; ++t) to[t] += sums[std::size_t(piece * size + t)];
    return finished;
}

}  // namespace faltung
