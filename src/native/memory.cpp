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
constexpr std::size_t PAGE = 4096;
constexpr std::size_t HEAD = 64;            // bytes in front of the memory, a line of the cache

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

// Stands in front of the memory.
struct Head {
    std::size_t room;
    void* whole;  // what the system gave
};
static_assert(sizeof(Head) <= HEAD, "");

Head& head_of(const void* memory) {
    return *reinterpret_cast<Head*>(static_cast<char*>(const_cast<void*>(memory)) - HEAD);
}

void release(void* memory) { std::free(head_of(memory).whole); }

}  // namespace

std::size_t room_of(const void* memory) { return head_of(memory).room; }

void* take(std::size_t bytes) {
    if (bytes > SIZE_MAX / 2) return nullptr;
    {
        std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
        for (int at = count - 1; lock && at >= 0; --at)
            if (kept[at].room >= bytes && kept[at].room - bytes <= bytes / 8) return drop(at);
    }
    const std::size_t step = bytes >= HUGE_PAGE ? HUGE_PAGE : HEAD, room = (bytes + PAGE - 1) / PAGE * PAGE;
    void* whole = std::malloc(HEAD + room + step);
    if (!whole) return nullptr;
    const std::uintptr_t start = (reinterpret_cast<std::uintptr_t>(whole) + step - 1) / step * step;
#if defined(__linux__)
    if (step == HUGE_PAGE) madvise(reinterpret_cast<void*>(start), HEAD + room, MADV_HUGEPAGE);
#endif
    void* memory = reinterpret_cast<void*>(start + HEAD);
    head_of(memory) = {room, whole};
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
