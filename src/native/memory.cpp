#include "memory.hpp"

#include <cstdint>
#include <cstdlib>
#include <mutex>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace faltung {
namespace {

constexpr std::size_t KEPT = 128 << 20;     // bytes that are kept in all
constexpr std::size_t HUGE_PAGE = 2 << 20;
constexpr std::size_t HEAD = 64;            // in front of the memory: how large it is

struct Kept {
    void* memory;
    std::size_t room;
};

std::mutex mutex;  // only tried, never waited for: a child forked while it is held does without
constexpr int MOST = 16;
Kept kept[MOST];  // the oldest first
int count = 0;
std::size_t total = 0;

// Takes a piece out of the list; the mutex is held.
void* drop(int at) {
    void* memory = kept[at].memory;
    total -= kept[at].room;
    --count;
    for (int i = at; i < count; ++i) kept[i] = kept[i + 1];
    return memory;
}

void release(void* memory) { std::free(static_cast<char*>(memory) - HEAD); }

}  // namespace

std::size_t room_of(const void* memory) {
    return *reinterpret_cast<const std::size_t*>(static_cast<const char*>(memory) - HEAD);
}

void* take(std::size_t bytes) {
    const std::size_t pages = bytes >= HUGE_PAGE ? HUGE_PAGE : 4096;
    if (bytes > SIZE_MAX / 2) return nullptr;
    {
        std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
        for (int at = count - 1; lock && at >= 0; --at)
            if (kept[at].room >= bytes && kept[at].room - bytes <= bytes / 8) return drop(at);
    }
    const std::size_t whole = (bytes + HEAD + 4095) / 4096 * 4096;
    void* fresh = nullptr;
#ifdef _WIN32
    return nullptr;
#else
    if (posix_memalign(&fresh, pages, whole)) return nullptr;
#endif
#if defined(__linux__)
    if (pages == HUGE_PAGE) madvise(fresh, whole, MADV_HUGEPAGE);
#endif
    char* memory = static_cast<char*>(fresh) + HEAD;
    *reinterpret_cast<std::size_t*>(fresh) = whole - HEAD;
    return memory;
}

void give(void* memory) {
    if (!memory) return;
    const std::size_t room = room_of(memory);
    void* old[MOST];
    int dropped = 0;
    {
        std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
        if (!lock || room > KEPT) old[dropped++] = memory;
        else {
            while (count == MOST || total + room > KEPT) old[dropped++] = drop(0);
            kept[count++] = {memory, room};
            total += room;
        }
    }
    for (int at = 0; at < dropped; ++at) release(old[at]);
}

}  // namespace faltung
