#include "threads.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#ifndef _WIN32
#include <pthread.h>
#include <sched.h>
#endif

namespace faltung {
namespace {

struct Task {
    const Size pieces;
    const std::function<void(Size)>& body;  // looked at only by who has begun a piece
    std::atomic<Size> next{0};
    std::mutex mutex;
    std::condition_variable finished;
    Size done = 0;
    std::exception_ptr error;

    Task(Size pieces, const std::function<void(Size)>& body) : pieces(pieces), body(body) {}

    // Computes one piece, if one is left.
    bool step() {
        const Size piece = next.fetch_add(1);
        if (piece >= pieces) return false;
        std::exception_ptr caught;
        try {
            body(piece);
        } catch (...) {
            caught = std::current_exception();
        }
        std::lock_guard<std::mutex> lock(mutex);
        if (caught && !error) error = caught;
        if (++done == pieces) finished.notify_all();
        return true;
    }

    // Counts all pieces that nobody has begun as done.
    void give_up() {
        const Size begun = std::min(next.exchange(pieces), pieces);
        std::lock_guard<std::mutex> lock(mutex);
        done += pieces - begun;
    }

    void wait() {
        std::unique_lock<std::mutex> lock(mutex);
        finished.wait(lock, [&] { return done == pieces; });
    }
};

constexpr int MOST = 255;  // threads beside the caller's, which never end

struct Pool {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::shared_ptr<Task>> waiting;
    int workers = 0;

    void work() {
        for (;;) {
            std::shared_ptr<Task> task;
            {
                std::unique_lock<std::mutex> lock(mutex);
                wake.wait(lock, [&] { return !waiting.empty(); });
                task = waiting.front();
                waiting.pop_front();
            }
            while (task->step()) {
            }
        }
    }

    // Asks for helpers; there may be fewer than asked for.
    void offer(const std::shared_ptr<Task>& task, int helpers) {
        std::lock_guard<std::mutex> lock(mutex);
        try {
            for (; workers < std::min(helpers, MOST); ++workers) std::thread([this] { work(); }).detach();
        } catch (const std::exception&) {  // no more threads to be had
        }
        try {
            for (int i = 0; i < std::min(helpers, workers); ++i) {
                waiting.push_back(task);
                wake.notify_one();
            }
        } catch (const std::bad_alloc&) {  // the caller does the work
        }
    }

    void withdraw(const std::shared_ptr<Task>& task) {
        std::lock_guard<std::mutex> lock(mutex);
        waiting.erase(std::remove(waiting.begin(), waiting.end(), task), waiting.end());
    }
};

std::atomic<Pool*> current{nullptr};

// The threads of the parent do not live in a forked child, and its locks may be held: the child starts anew.
void forget() { current.store(nullptr); }

Pool& pool() {
    Pool* found = current.load();
    if (!found) {
        Pool* made = new Pool;  // never destroyed: its threads sleep until the process ends
        if (current.compare_exchange_strong(found, made)) return *made;
        delete made;
    }
    return *found;
}

}  // namespace

void prepare_for_fork() {
#ifndef _WIN32
    static const int once = pthread_atfork(nullptr, nullptr, forget);
    (void)once;
#endif
    processors();
}

int processors() {
    static const int found = [] {
#ifdef __linux__
        cpu_set_t set;
        if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
        return std::max(1, int(std::thread::hardware_concurrency()));
    }();
    return found;
}

bool run_pieces(Size pieces, int threads, const std::function<void(Size)>& body, const std::function<bool()>& stop) {
    const int helpers = int(std::min<Size>(threads, pieces)) - 1;
    if (helpers <= 0) {
        for (Size piece = 0; piece < pieces; ++piece) {
            if (piece && stop()) return false;
            body(piece);
        }
        return true;
    }
    auto task = std::make_shared<Task>(pieces, body);
    Pool& shared = pool();
    shared.offer(task, helpers);
    bool stopped = false;
    while (task->step()) {
        if (stop()) {
            stopped = true;
            task->give_up();
            break;
        }
    }
    shared.withdraw(task);
    task->wait();
    if (task->error) std::rethrow_exception(task->error);
    return !stopped;
}

}  // namespace faltung
