// The door to Python: what the module holds, and `run`, which computes what a plan says.
#define FALTUNG_IMPORTS_NUMPY
#include "arrays.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>

#include "quick.hpp"
#include "running.hpp"
#include "threads.hpp"

namespace {

using namespace faltung;

int read_axis(PyObject* object, void* to) {
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "an axis is a tuple of six numbers");
        return 0;
    }
    Axis& axis = *static_cast<Axis*>(to);
    return PyArg_ParseTuple(object, "nnnnnn", &axis.pixels, &axis.answers, &axis.taps, &axis.stride, &axis.dilation,
                            &axis.before);
}

int read_array(PyObject* object, void* to) {
    if (!PyArray_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "an array is wanted");
        return 0;
    }
    *static_cast<PyArrayObject**>(to) = reinterpret_cast<PyArrayObject*>(object);
    return 1;
}

PyObject* wrong(const char* what) {
    PyErr_SetString(PyExc_ValueError, what);
    return nullptr;
}

// Reads what image (..., H, W) and answer (..., N, H', W') say of a job whose axes are known. Every size is checked
// against the arrays, so that nothing outside them is read or written; false where something does not fit.
bool lay_out(PyArrayObject* image, PyArrayObject* answer, int boundary, Job& job, Planes& planes) {
    const auto no = [](const char* what) { return wrong(what) != nullptr; };
    if (boundary < 0 || boundary > 3) return no("no such boundary");
    job.y.boundary = job.x.boundary = static_cast<Boundary>(boundary);
    const int rank = PyArray_NDIM(image);
    if (rank < 2 || PyArray_NDIM(answer) != rank + 1) return no("the answer needs one axis more than the image");
    for (const Axis* axis : {&job.y, &job.x})
        if (const char* problem = problem_of(*axis)) return no(problem);
    const npy_intp *shape = PyArray_DIMS(image), *to = PyArray_DIMS(answer);
    if (shape[rank - 2] != job.y.pixels || shape[rank - 1] != job.x.pixels || to[rank - 1] != job.y.answers ||
        to[rank] != job.x.answers)
        return no("the axes are not those of the arrays");
    if (!type_of(image, job.pixel) || !type_of(answer, job.result)) return no("no such type");
    for (int axis = 0; axis < rank - 2; ++axis) {
        if (shape[axis] != to[axis]) return no("image and answer differ in their batch");
        planes.shape.push_back(shape[axis]);
        planes.image_steps.push_back(PyArray_STRIDE(image, axis));
        planes.answer_steps.push_back(PyArray_STRIDE(answer, axis));
    }
    job.kernels = to[rank - 2];
    job.image = PyArray_BYTES(image);
    job.image_row = PyArray_STRIDE(image, rank - 2);
    job.image_column = PyArray_STRIDE(image, rank - 1);
    job.swapped = PyArray_ISBYTESWAPPED(image);
    job.answer = PyArray_BYTES(answer);
    job.answer_kernel = PyArray_STRIDE(answer, rank - 2);
    job.answer_row = PyArray_STRIDE(answer, rank - 1);
    job.answer_column = PyArray_STRIDE(answer, rank);
    return true;
}

// run(image (..., H, W), taps, answer (..., N, H', W'), y, x, boundary, rank, sparse, threads, tile_y, tile_x, spectra,
// split): see Job. Says whether all answers are finite where spectra were given; else True.
PyObject* run(PyObject*, PyObject* args) {
    PyArrayObject *image, *taps, *answer;
    PyObject* spectra;
    Job job{};
    int boundary, sparse, threads;
    if (!PyArg_ParseTuple(args, "O&O&O&O&O&inpinnOd", read_array, &image, read_array, &taps, read_array, &answer, read_axis,
                          &job.y, read_axis, &job.x, &boundary, &job.rank, &sparse, &threads, &job.tile_y, &job.tile_x, &spectra, &job.split))
        return nullptr;
    Planes planes;
    if (!lay_out(image, answer, boundary, job, planes)) return nullptr;
    if (!type_of(taps, job.summed)) return wrong("no such type");
    if (job.summed != Type::int16 && job.summed != Type::int32 && job.summed != Type::int64 &&
        job.summed != Type::float32 && job.summed != Type::float64)
        return wrong("no sums in this type");
    const bool whole = job.result == Type::int8 || job.result == Type::int16 || job.result == Type::int32 || job.result == Type::int64;
    const bool spectral = spectra != Py_None;
    if ((!spectral && whole == is_float(job.summed)) || (!whole && !is_float(job.result)) || (is_float(job.pixel) && !is_float(job.summed)))
        return wrong("the answers are not of a type of sums");
    if (!PyArray_ISCARRAY_RO(taps) || !PyArray_ISNOTSWAPPED(answer) || !PyArray_ISWRITEABLE(answer))
        return wrong("the taps must be contiguous and the answer writeable");
    if (job.rank < 0 || job.rank > 4096 || (job.rank && job.kernels != 1)) return wrong("an impossible rank");
    if (sparse && job.rank) return wrong("factors are not left out where they are 0");
    job.sparse = sparse;
    const double needed = job.rank ? double(job.rank) * double(job.y.taps + job.x.taps)
                                   : double(job.kernels) * double(job.y.taps) * double(job.x.taps);
    if (double(PyArray_SIZE(taps)) != needed) return wrong("the number of taps is another");

    if (spectral) {
        PyArrayObject* given = reinterpret_cast<PyArrayObject*>(spectra);
        Type type;
        if (!PyArray_Check(spectra) || !PyArray_ISCARRAY_RO(given) || !type_of(given, type) || type != job.summed ||
            !is_float(type) || job.rank || !is_side(job.tile_y, job.y) || !is_side(job.tile_x, job.x) ||
            double(PyArray_SIZE(given)) != 2.0 * double(job.kernels) * double(job.tile_y) * double(job.tile_x))
            return wrong("the spectra are not those of the taps");
        int power;
        if (job.split != 0 && (!whole || type != Type::float64 || !(job.split >= 2 && job.split <= 0x1p52) ||
                               std::frexp(job.split, &power) != 0.5))
            return wrong("the tiles cannot be split");
        job.spectra = PyArray_DATA(given);
    }

    job.taps = PyArray_DATA(taps);
    if (PyArray_SIZE(answer) == 0 || PyArray_SIZE(image) == 0) Py_RETURN_TRUE;
    if (!spectral) join_channels(job, planes);

    bool finished = false;
    std::atomic<bool> finite{true};
    if (!without_python([&] {
            finished = spectral ? compute_tiles(job, planes, threads, finite) : compute(job, planes, threads);
        }))
        return nullptr;
    if (!finished) return nullptr;  // interrupted: the signal's exception is set
    return PyBool_FromLong(finite);
}

constexpr Size MOST_WEIGHED = 1 << 20;  // taps; every piece has sums of its own for all of them

// weigh(image (..., H, W), derivatives by the answers (..., N, H', W'), y, x, boundary, threads): the derivatives by the
// taps, float64 (N, kh, kw).
PyObject* weigh(PyObject*, PyObject* args) {
    PyArrayObject *image, *answer;
    Job job{};
    Planes planes;
    int boundary, threads;
    if (!PyArg_ParseTuple(args, "O&O&O&O&ii", read_array, &image, read_array, &answer, read_axis, &job.y, read_axis, &job.x,
                          &boundary, &threads) ||
        !lay_out(image, answer, boundary, job, planes))
        return nullptr;
    job.summed = job.result;
    if ((job.result != Type::float32 && job.result != Type::float64) || PyArray_ISBYTESWAPPED(answer))
        return wrong("the derivatives must be floats");
    if (double(job.kernels) * double(job.y.taps) * double(job.x.taps) > double(MOST_WEIGHED))
        return wrong("so many taps are not weighed at once");
    npy_intp shape[] = {job.kernels, job.y.taps, job.x.taps};
    PyObject* made = PyArray_ZEROS(3, shape, NPY_FLOAT64, 0);
    if (!made || PyArray_SIZE(answer) == 0 || PyArray_SIZE(image) == 0) return made;
    double* to = static_cast<double*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(made)));
    bool finished = false;
    if (!without_python([&] { finished = compute_weights(job, planes, threads, to); }) || !finished) Py_CLEAR(made);
    return made;
}

// spectrum(taps (N, kh, kw), dilation y, dilation x, tile_y, tile_x): the spectra that `run` takes.
PyObject* spectrum(PyObject*, PyObject* args) {
    PyArrayObject* taps;
    Job job{};
    if (!PyArg_ParseTuple(args, "O&nnnn", read_array, &taps, &job.y.dilation, &job.x.dilation, &job.tile_y, &job.tile_x))
        return nullptr;
    if (PyArray_NDIM(taps) != 3 || !PyArray_ISCARRAY_RO(taps) || !type_of(taps, job.summed) ||
        (job.summed != Type::float32 && job.summed != Type::float64) || PyArray_SIZE(taps) == 0)
        return wrong("the taps must be floats of shape (N, kh, kw)");
    job.kernels = PyArray_DIM(taps, 0);
    job.y.pixels = job.x.pixels = 1 << 14;
    job.y.taps = PyArray_DIM(taps, 1);
    job.x.taps = PyArray_DIM(taps, 2);
    for (const Axis* axis : {&job.y, &job.x})
        if (const char* problem = problem_of(*axis)) return wrong(problem);
    if (!is_side(job.tile_y, job.y) || !is_side(job.tile_x, job.x)) return wrong("no such tiles");
    job.taps = PyArray_DATA(taps);
    npy_intp shape[] = {job.kernels, 2, job.tile_x, job.tile_y};
    PyObject* made = PyArray_SimpleNew(4, shape, number_of(job.summed));
    if (!made) return nullptr;
    const Size points = job.tile_y * job.tile_x, together = std::max<Size>(1, (1 << 20) / points);
    const Size taps_bytes = job.y.taps * job.x.taps * PyArray_ITEMSIZE(taps), bytes = 2 * points * PyArray_ITEMSIZE(taps);
    char* to = PyArray_BYTES(reinterpret_cast<PyArrayObject*>(made));
    const Level& level = level_in_use();
    bool finished = false;
    Interrupt interrupt;
    if (!without_python([&] {
            finished = run_pieces(
                (job.kernels + together - 1) / together, 1,
                [&](Size piece) {
                    Job one = job;
                    one.kernels = std::min(together, job.kernels - piece * together);
                    one.taps = PyArray_BYTES(taps) + piece * together * taps_bytes;
                    level.spectrum(one, to + piece * together * bytes);
                },
                [&] { return interrupt(); });
        }) ||
        !finished)
        Py_CLEAR(made);
    return made;
}


PyObject* level(PyObject*, PyObject*) { return PyUnicode_FromString(level_in_use().name); }

PyObject* level_names(PyObject*, PyObject*) {
    PyObject* names = PyList_New(0);
    for (const Level& level : levels()) {
        PyObject* name = names ? PyUnicode_FromString(level.name) : nullptr;
        if (!name || PyList_Append(names, name) < 0) Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

PyObject* use(PyObject*, PyObject* arg) {
    const char* wanted = PyUnicode_AsUTF8(arg);
    if (!wanted) return nullptr;
    if (!use_level(wanted)) return wrong("this machine has no such level");
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"run", run, METH_VARARGS, "run(image, taps, answer, y, x, boundary, rank, sparse, threads, tile_y, tile_x, spectra, split)"},
    {"weigh", weigh, METH_VARARGS, "weigh(image, derivatives, y, x, boundary, threads)"},
    {"spectrum", spectrum, METH_VARARGS, "spectrum(taps, dilation_y, dilation_x, tile_y, tile_x)"},
    {"quick", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(quick)), METH_FASTCALL,
     "quick(image, kernel, padding, stride, dilation, boundary, flip, threads, out), or None"},
    {"empty", empty, METH_VARARGS, "empty(shape, dtype, image=None): a new array for answers, laid out like the image, not filled."},
    {"is_sooner_apart", is_sooner_apart, METH_VARARGS,
     "is_sooner_apart(kh, kw, whole): whether two passes are sooner than direct sums, of whole numbers or floats."},
    {"is_sooner_skipping", is_sooner_skipping, METH_VARARGS,
     "is_sooner_skipping(nonzero, taps): whether it is sooner to leave out the taps that are 0."},
    {"levels", level_names, METH_NOARGS, "The levels of vector instructions that this machine can run, the best first."},
    {"level", level, METH_NOARGS, "The level in use."},
    {"use_level", use, METH_O, "Choose one of the levels."},
    {nullptr, nullptr, 0, nullptr},
};

int prepare(PyObject* made) {
    import_array1(-1);
    try {
        levels();
        prepare_for_fork();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
        return -1;
    }
#ifdef FALTUNG_FLOAT16
    constexpr long half = 1;
#else
    constexpr long half = 0;
#endif
    return PyModule_AddIntConstant(made, "QUICK_WORK", QUICK_WORK) < 0 ||
                   PyModule_AddIntConstant(made, "QUICK_TAPS", QUICK_TAPS) < 0 ||
                   PyModule_AddIntConstant(made, "QUICK_PASSES", QUICK_PASSES) < 0 ||
                   PyModule_AddIntConstant(made, "FLOAT16", half) < 0
               ? -1
               : 0;
}

// What calls share is the level in use, which is atomic, and the threads, which are behind locks: no GIL is needed.
PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(prepare)},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},  // nor does NumPy
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", "The compiled loops of faltung.filters.", 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&module); }
