// NumPy's arrays as the core sees them. Every file that touches them includes this first.
#pragma once
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL faltung_numpy
#ifndef FALTUNG_IMPORTS_NUMPY  // module.cpp does, for all of them
#define NO_IMPORT_ARRAY
#endif
#include <Python.h>
#include <numpy/arrayobject.h>

#include "job.hpp"

namespace faltung {

// The type of an array's numbers; false where the core knows none such.
bool type_of(PyArrayObject* array, Type& type);

// NumPy's number of a type of answers.
int number_of(Type type);

// A new array for answers, not filled; takes the reference to the type.
PyObject* new_answers(int axes, npy_intp* shape, PyArray_Descr* type);

// The same, with the channels of a pixel beside each other where those of the image (C, H, W) are.
PyObject* new_answers_like(PyArrayObject* image, int axes, npy_intp* shape, PyArray_Descr* type);

// empty(shape, dtype, image=None): the same for Python.
PyObject* empty(PyObject*, PyObject* args);

}  // namespace faltung
