// Jobs on all pictures of a batch, on threads, while Python goes on.
#pragma once
#include <Python.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <new>
#include <vector>

#include "levels.hpp"

namespace faltung {

// Asks Python, at most every twentieth of a second, whether Ctrl-C was pressed. Called without the GIL.
class Interrupt {
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();

public:
    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (now - last < std::chrono::milliseconds(50)) return false;
        last = now;
        const PyGILState_STATE state = PyGILState_Ensure();
        const bool pressed = PyErr_CheckSignals() != 0;
        PyGILState_Release(state);
        return pressed;
    }
};

// Planes are pictures of a batch: jobs alike but for where they read and write. A piece is some rows of one.
struct Planes {
    std::vector<Size> shape, image_steps, answer_steps;

    Size count() const {
        Size product = 1;
        for (Size size : shape) product *= size;
        return product;
    }

    void shift(Job& job, Size plane) const {
        for (Size axis = Size(shape.size()); axis-- > 0;) {
            const Size at = plane % shape[axis];
            plane /= shape[axis];
            job.image += at * image_steps[axis];
            job.answer += at * answer_steps[axis];
        }
    }
};

// Makes one plane of channels that lie beside each other, in the pixels and in the answers: C times as wide, its taps C
// apart. Nothing is done where the boundary or strides do not allow it.
void join_channels(Job& job, Planes& planes);

// Computes a job on all planes with the level in use; false where Ctrl-C was pressed. `finite` turns false where tiles
// gave an answer that is not.
bool compute(const Job& job, const Planes& planes, int threads);
bool compute_tiles(const Job& job, const Planes& planes, int threads, std::atomic<bool>& finite);

// Writes the derivatives by the taps of a bank to `to`, of kernels x y.taps x x.taps; see Level::weigh. The sum does not
// depend on the threads.
bool compute_weights(const Job& job, const Planes& planes, int threads, double* to);

// Calls a function without the GIL; false where it has run out of something, the exception set. Only C++'s own
// exceptions are caught: a thread that Python ends while the interpreter shuts down unwinds through here too.
template <class F> bool without_python(F&& body) {
    const char* problem = nullptr;
    bool out_of_memory = false;
    PyThreadState* released = PyEval_SaveThread();
    try {
        body();
    } catch (const std::bad_alloc&) {
        out_of_memory = true;
    } catch (const std::exception&) {
        problem = "the system gives no more";
    }
    PyEval_RestoreThread(released);
    if (out_of_memory) PyErr_NoMemory();
    else if (problem) PyErr_SetString(PyExc_RuntimeError, problem);
    return !out_of_memory && !problem;
}

}  // namespace faltung
