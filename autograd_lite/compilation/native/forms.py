"""What operations are in C: an expression for every elementwise function, each stated here once.

`{0}`, `{1}`, ... are the inputs in the dtype that the operation computes in, `{f}` is the ending of
the C library's names for it: f of float. A row that is written out in NumPy's functions needs none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.rules import ops

__all__ = ["COLUMNS", "PRELUDE", "ending", "form", "literal", "type_of"]

TYPES = {
    "b1": "uint8_t", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "i8": "int64_t",
    "u1": "uint8_t", "u2": "uint16_t", "u4": "uint32_t", "u8": "uint64_t",
    "f4": "float", "f8": "double",
}  # fmt: skip

ANY = {  # of floats and of ints, which wrap around as NumPy's do
    np.add: "{0} + {1}", np.subtract: "{0} - {1}", np.multiply: "{0} * {1}",
    np.negative: "-{0}", np.positive: "{0}", np.square: "{0} * {0}",
    np.maximum: "{0} > {1} ? {0} : {1}", np.minimum: "{0} < {1} ? {0} : {1}",
}  # fmt: skip
FLOATS: dict[Any, str] = ANY | {
    np.divide: "{0} / {1}", np.reciprocal: "1 / {0}",
    np.maximum: "larger{f}({0}, {1})", np.minimum: "smaller{f}({0}, {1})",
    np.absolute: "__builtin_fabs{f}({0})", np.sqrt: "__builtin_sqrt{f}({0})",
    np.sign: "sign{f}({0})", np.floor: "__builtin_floor{f}({0})",
    np.ceil: "__builtin_ceil{f}({0})", np.trunc: "__builtin_trunc{f}({0})",
    np.rint: "__builtin_rint{f}({0})", np.copysign: "__builtin_copysign{f}({0}, {1})",
    np.fmod: "fmod{f}({0}, {1})", np.remainder: "modulo{f}({0}, {1})",
    np.logaddexp: "logaddexp{f}({0}, {1})", ops.erf: "erf{f}({0})",
}  # fmt: skip
LIBRARY = {  # functions of the C library, which writes arcsin as asin
    ufunc: "pow" if ufunc is np.power else ufunc.__name__.replace("arc", "a")
    for ufunc in (
        np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan,
        np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh,
        np.arctanh, np.cbrt, np.power, np.arctan2, np.hypot,
    )
}  # fmt: skip
FLOATS |= {
    ufunc: f"{name}{{f}}({', '.join(f'{{{i}}}' for i in range(ufunc.nin))})"
    for ufunc, name in LIBRARY.items()
}
FLOATS[np.exp] = "power{f}({0})"
COMPARED = {  # of numbers, giving 0 or 1
    np.equal: "{0} == {1}", np.not_equal: "{0} != {1}", np.less: "{0} < {1}",
    np.less_equal: "{0} <= {1}", np.greater: "{0} > {1}", np.greater_equal: "{0} >= {1}",
    np.isnan: "{0} != {0}", np.isfinite: "__builtin_fabs{f}({0}) <= LARGEST{f}",
    np.isinf: "__builtin_fabs{f}({0}) > LARGEST{f}",
    np.logical_and: "({0} != 0) & ({1} != 0)", np.logical_or: "({0} != 0) | ({1} != 0)",
    np.logical_not: "{0} == 0",
}  # fmt: skip
BOOLS = {
    np.bitwise_and: "{0} & {1}", np.bitwise_or: "{0} | {1}", np.bitwise_xor: "{0} ^ {1}",
    np.invert: "{0} ^ 1",
}  # fmt: skip

# what a sum, and the like, of columns starts from, and what it is with one more; of a row it is a
# function with the name of the row of the table
COLUMNS = {
    ops.sum: ("0", "{0} + {1}"),
    ops.prod: ("1", "{0} * {1}"),
    ops.max: ("-INFINITY", "larger{f}({1}, {0})"),
    ops.min: ("INFINITY", "smaller{f}({1}, {0})"),
}

# what the forms call; `simd` has the vector unit do a function of the C library where it can
PRELUDE = (
    r"""
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <fenv.h>
#define RARE(x) __builtin_expect(!!(x), 0)
#define LARGESTf 3.40282346638528859812e+38f
#define LARGEST 1.79769313486231570815e+308
/* exp; 0 for all below -104, of which vectors of expf say that -INFINITY is invalid and -1e30
   overflows, and which they leave to the C library, one by one: masks of scores have many. By bits:
   of a choice, the compiler would take all powers and then choose */
#define POWER(T, U, f, lowest, infinite) \
static inline T power##f(T a) { \
    union { T x; U bits; } u = {a}; \
    U below = -(U)(u.bits - (lowest + 1) <= infinite - (lowest + 1)); \
    u.bits &= ~below; \
    u.x = exp##f(u.x); \
    u.bits &= ~below; \
    return u.x; }
#define EACH(T, f) \
static inline T larger##f(T a, T b) { return a > b || a != a ? a : b; } \
static inline T smaller##f(T a, T b) { return a < b || a != a ? a : b; } \
static inline T sign##f(T a) { return a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a; } \
static inline T modulo##f(T a, T b) { \
    T m = fmod##f(a, b); \
    return m == 0 ? __builtin_copysign##f(0, b) : (m < 0) != (b < 0) ? m + b : m; } \
static inline T logaddexp##f(T a, T b) { \
    T d = a - b; \
    return a == b ? a + (T)0.693147180559945309417232121458176568 \
        : larger##f(a, b) + log1p##f(power##f(-__builtin_fabs##f(d))); } \
/* 16 sums side by side: one result on every machine; of blocks, as small errors add up */ \
static __attribute__((noinline)) T sum##f(const T *x, intptr_t n) { \
    double all = 0; \
    while (n > 0) { \
        T s[16] = {0}, rest = 0; \
        intptr_t m = n < 512 ? n : 512, i = 0; \
        for (; i + 16 <= m; i += 16) for (int k = 0; k < 16; k++) s[k] += x[i + k]; \
        for (; i < m; i++) rest += x[i]; \
        for (int w = 8; w; w /= 2) for (int k = 0; k < w; k++) s[k] += s[k + w]; \
        all += (double)s[0] + (double)rest; \
        x += m; n -= m; \
    } \
    return (T)all; } \
static __attribute__((noinline)) T prod##f(const T *x, intptr_t n) { \
    T y = 1; \
    for (intptr_t i = 0; i < n; i++) y *= x[i]; \
    return y; } \
static __attribute__((noinline)) T max##f(const T *x, intptr_t n) { \
    T s[16], y = x[0]; \
    intptr_t i = 0; \
    if (n >= 16) { \
        for (int k = 0; k < 16; k++) s[k] = x[k]; \
        for (i = 16; i + 16 <= n; i += 16) for (int k = 0; k < 16; k++) \
            s[k] = x[i + k] > s[k] || x[i + k] != x[i + k] ? x[i + k] : s[k]; \
        for (int k = 0; k < 16; k++) y = larger##f(s[k], y); \
    } \
    for (; i < n; i++) y = larger##f(x[i], y); \
    return y; } \
static __attribute__((noinline)) T min##f(const T *x, intptr_t n) { \
    T s[16], y = x[0]; \
    intptr_t i = 0; \
    if (n >= 16) { \
        for (int k = 0; k < 16; k++) s[k] = x[k]; \
        for (i = 16; i + 16 <= n; i += 16) for (int k = 0; k < 16; k++) \
            s[k] = x[i + k] < s[k] || x[i + k] != x[i + k] ? x[i + k] : s[k]; \
        for (int k = 0; k < 16; k++) y = smaller##f(s[k], y); \
    } \
    for (; i < n; i++) y = smaller##f(x[i], y); \
    return y; } \
/* the first largest element, or the first NaN */ \
static __attribute__((noinline)) int64_t top##f(const T *x, intptr_t by, intptr_t n) { \
    intptr_t k = 0; \
    for (intptr_t i = 1; i < n && x[k * by] == x[k * by]; i++) \
        if (x[i * by] > x[k * by] || x[i * by] != x[i * by]) k = i; \
    return k; } \
static __attribute__((noinline)) int64_t bottom##f(const T *x, intptr_t by, intptr_t n) { \
    intptr_t k = 0; \
    for (intptr_t i = 1; i < n && x[k * by] == x[k * by]; i++) \
        if (x[i * by] < x[k * by] || x[i * by] != x[i * by]) k = i; \
    return k; }
#ifdef SIMD
#define ONE(name) extern double name(double) __attribute__((simd("notinbranch"))); \
                  extern float name##f(float) __attribute__((simd("notinbranch")));
#define TWO(name) extern double name(double, double) __attribute__((simd("notinbranch"))); \
                  extern float name##f(float, float) __attribute__((simd("notinbranch")));
"""
    + "\n".join(f"{'TWO' if ufunc.nin == 2 else 'ONE'}({name})" for ufunc, name in LIBRARY.items())
    + """
ONE(erf)
#endif
POWER(float, uint32_t, f, 0xC2D00000u, 0xFF800000u)
POWER(double, uint64_t, , 0xC087500000000000u, 0xFFF0000000000000u)
EACH(float, f)
EACH(double, )
"""
)


def type_of(dtype: Any) -> str:
    """The C type of a dtype; KeyError where there is none."""
    if not dtype.isnative:
        raise KeyError(dtype)
    return TYPES[dtype.str[1:]]


def ending(dtype: Any) -> str:
    """What the C library's names of functions of a dtype end in."""
    return "f" if dtype.str[1:] == "f4" else ""


def literal(x: Any, dtype: Any) -> str:
    """A number in C, rounded as NumPy rounds it."""
    if dtype.kind != "f":
        return str(int(x))
    x = float(dtype.type(x))
    if np.isnan(x):
        return "NAN"
    if x in (np.inf, -np.inf):
        return "INFINITY" if x > 0 else "(-INFINITY)"
    text = f"{x!r}{ending(dtype)}"
    return text if x > 0 or repr(x) == "0.0" else f"({text})"


def form(op: Any, dtypes: list[Any], dtype: Any) -> tuple[str, Any]:
    """The expression of an operation on these dtypes that gives another, and the dtype that it
    computes in. KeyError where there is none."""
    key = op.ufunc if op.ufunc is not None else op
    if key in COMPARED and dtype.kind == "b":
        inner = key.resolve_dtypes((*dtypes, None))
        if len(set(inner[:-1])) > 1 or (key in (np.isfinite, np.isinf) and inner[0].kind != "f"):
            raise KeyError(key)
        return COMPARED[key].replace("{f}", ending(inner[0])), inner[0]
    if dtype.kind == "b":
        if any(d is not bool and getattr(d, "kind", "") != "b" for d in dtypes):
            raise KeyError(key)
        return BOOLS[key], dtype
    return (FLOATS if dtype.kind == "f" else ANY)[key].replace("{f}", ending(dtype)), dtype
