"""Checks for the exercises of the course: each says in words what is wrong with an answer, or that it is right.

The course is `notebooks/cnn.ipynb`; what is checked stands in one file for each of its parts.

>>> from faltung.course import check_output_size
>>> check_output_size(lambda n, kernel, stride, padding: (n + 2 * padding - kernel) // stride + 1)
✓ output_size: right for 108 layers
>>> check_output_size(lambda n, kernel, stride, padding: (n + 2 * padding - kernel) // stride)
Traceback (most recent call last):
...
faltung.course.judging.NotYet: output_size: the first window counts too: + 1. output_size(5, kernel=1, stride=1, \
padding=0) gives 4; torch's output has 5.
"""

from faltung.course.backward import check_gradient_bias, check_gradient_input, check_gradient_weights
from faltung.course.convolution import check_correlate, check_correlate_one, check_output_size
from faltung.course.evaluation import check_accuracy, check_confusion, check_worst
from faltung.course.judging import NotYet
from faltung.course.learning import check_net, check_predict, check_train_epoch
from faltung.course.looking import check_predictions, check_receptive_field

__all__ = [
    "NotYet",
    "check_accuracy",
    "check_confusion",
    "check_correlate",
    "check_correlate_one",
    "check_gradient_bias",
    "check_gradient_input",
    "check_gradient_weights",
    "check_net",
    "check_output_size",
    "check_predict",
    "check_predictions",
    "check_receptive_field",
    "check_train_epoch",
    "check_worst",
]
