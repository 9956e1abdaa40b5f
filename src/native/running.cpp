#include "running.hpp"

#include <algorithm>

#include "threads.hpp"

namespace faltung {

constexpr double PIECE = 2e6;     // multiplications that are worth handing to a thread
constexpr double PATIENCE = 2e9;  // and those after which Ctrl-C is looked at, whatever the seams cost
constexpr Size TOGETHER = 2;      // transforms that are handed to a thread together

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

}  // namespace faltung
