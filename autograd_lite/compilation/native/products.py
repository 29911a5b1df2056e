"""Matrix products in C, for processors with AVX-512 where NumPy's OpenBLAS uses half of it.

OpenBLAS chooses its functions by the model of the processor, and takes those for AVX2 where it does
not know the model. These here are about twice as fast there. They take what those of BLAS take,
leave small narrow products to it, and use as many threads as it may. The bits do not depend on how
many.

The result is computed in blocks of at most 12 rows and two vectors, which stay in registers; the
second matrix is packed before, so that the columns of a block lie together (Goto and van de Geijn,
Anatomy of High-Performance Matrix Multiplication, 2008).
"""

from __future__ import annotations

__all__ = ["NARROW", "SOURCE"]

NARROW = {"Haswell", "Zen", "Sandybridge", "Nehalem", "Prescott"}  # kernels without AVX-512
ROWS = 12  # of a block: 24 vectors of sums, two of one matrix, one of the other, of 32 registers
HEAD = f"""
#ifdef __AVX512F__ /* else the library is empty */
#include <pthread.h>
#include <stdint.h>
#ifdef __clang__
#define PICKED(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define PICKED(x, y, ...) __builtin_shuffle(x, y, (picks){{__VA_ARGS__}})
#endif
#define LESS(x, y) ((x) < (y) ? (x) : (y))
typedef int64_t size;
enum {{ ROWS = {ROWS}, DEPTH = 256, BYTES = 512 * 1024, SMALL = 1 << 18, SHARE = 1 << 23,
    MOST = 64 }};
int (*threads)(void);
"""
# all of it, once for each kind of floats
TYPES = """
#define picks picks_float
typedef float vector_float __attribute__((vector_size(64), aligned(sizeof(float)), may_alias));
typedef float four_float __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)),
    may_alias));
typedef int32_t picks_float __attribute__((vector_size(4 * sizeof(float))));
typedef void (*blas_float)(int, int, int, size, size, size, float, const float *, size,
    const float *, size, float, float *, size);
typedef void (*block_float)(size, const float *, size, size, const float *, size, float, float,
    float *, size);
enum { WIDE_float = 64 / sizeof(float), COLUMNS_float = 2 * WIDE_float };
blas_float sgemm;

static inline void end_float(float *c, vector_float x, vector_float y, float alpha, float beta) {
    vector_float *u = (vector_float *)c, *v = (vector_float *)(c + WIDE_float);
    *u = beta == 0 ? alpha * x : beta * *u + alpha * x;
    *v = beta == 0 ? alpha * y : beta * *v + alpha * y;
}
"""
BLOCK = """
static void block{rows}_float(size k, const float *a, size down, size along, const float *b,
    size ldb, float alpha, float beta, float *c, size ldc) {{
    vector_float {sums};
    const float {starts};
    for (; k > 0; k--, b += ldb) {{
        const vector_float u = *(vector_float *)b, v = *(vector_float *)(b + WIDE_float);
{steps}
    }}
{ends}
}}
"""
PRODUCT = """
/* columns of a matrix together, with zeros for those that are missing */
static void packed_float(size k, size n, const float *b, size ldb, float *to) {
    for (; k > 0; k--, b += ldb, to += COLUMNS_float) {
        if (n == COLUMNS_float) {
            const vector_float u = *(vector_float *)b, v = *(vector_float *)(b + WIDE_float);
            *(vector_float *)to = u;
            *(vector_float *)(to + WIDE_float) = v;
        } else
            for (size j = 0; j < COLUMNS_float; j++) to[j] = j < n ? b[j] : 0;
    }
}

/* the same of a transposed matrix, whose rows they are: four by four */
static void turned_float(size k, size n, const float *b, size ldb, float *to) {
    size j = 0;
    for (; j + 4 <= n; j += 4, b += 4 * ldb) {
        size p = 0;
        for (; p + 4 <= k; p += 4) {
            const four_float x = *(four_float *)(b + p), y = *(four_float *)(b + ldb + p),
                z = *(four_float *)(b + 2 * ldb + p), w = *(four_float *)(b + 3 * ldb + p),
                xy = PICKED(x, y, 0, 4, 1, 5), XY = PICKED(x, y, 2, 6, 3, 7),
                zw = PICKED(z, w, 0, 4, 1, 5), ZW = PICKED(z, w, 2, 6, 3, 7);
            float *at = to + p * COLUMNS_float + j;
            *(four_float *)at = PICKED(xy, zw, 0, 1, 4, 5);
            *(four_float *)(at + COLUMNS_float) = PICKED(xy, zw, 2, 3, 6, 7);
            *(four_float *)(at + 2 * COLUMNS_float) = PICKED(XY, ZW, 0, 1, 4, 5);
            *(four_float *)(at + 3 * COLUMNS_float) = PICKED(XY, ZW, 2, 3, 6, 7);
        }
        for (; p < k; p++)
            for (size i = 0; i < 4; i++) to[p * COLUMNS_float + j + i] = b[i * ldb + p];
    }
    for (; j < COLUMNS_float; j++, b += ldb)
        for (size p = 0; p < k; p++) to[p * COLUMNS_float + j] = j < n ? b[p] : 0;
}

typedef struct {
    int ta, tb;
    size m, n, k;
    const float *a, *b;
    size lda, ldb;
    float alpha, beta, *c;
    size ldc;
} work_float;

static void *worked_float(void *given) {
    static const block_float blocks[] = {0, {blocks}};
    static __thread float room[BYTES / sizeof(float)] __attribute__((aligned(64)));
    enum { WIDEST = BYTES / sizeof(float) / DEPTH };
    const work_float *w = given;
    const int ta = w->ta, tb = w->tb;
    const size m = w->m, n = w->n, k = w->k, lda = w->lda, ldb = w->ldb, ldc = w->ldc;
    const float *a = w->a, *b = w->b, alpha = w->alpha;
    float *c = w->c, beta = w->beta;
    const size down = ta == 111 ? lda : 1, along = ta == 111 ? 1 : lda;
    const int once = m <= ROWS && tb == 111; /* used once, where it lies */
    for (size k0 = 0; k0 < k; k0 += DEPTH, beta = 1) {
        const size deep = LESS(k - k0, DEPTH);
        for (size j0 = 0; j0 < n; j0 += WIDEST) {
            const size wide = LESS(n - j0, WIDEST);
            const float *from = tb == 111 ? b + k0 * ldb + j0 : b + j0 * ldb + k0;
            for (size j = 0; j < wide; j += COLUMNS_float) {
                const size some = LESS(wide - j, COLUMNS_float);
                if (tb != 111) turned_float(deep, some, from + j * ldb, ldb, room + j * deep);
                else if (!once || some < COLUMNS_float)
                    packed_float(deep, some, from + j, ldb, room + j * deep);
            }
            for (size i = 0, left = (m + ROWS - 1) / ROWS, rows; left > 0; left--, i += rows) {
                rows = (m - i + left - 1) / left;
                const block_float block = blocks[rows];
                const float *x = a + i * down + k0 * along;
                for (size j = 0; j < wide; j += COLUMNS_float) {
                    const size some = wide - j;
                    float *y = c + i * ldc + j0 + j, *packed = room + j * deep;
                    if (some < COLUMNS_float) {
                        float last[ROWS * COLUMNS_float];
                        block(deep, x, down, along, packed, COLUMNS_float, alpha, 0, last,
                            COLUMNS_float);
                        for (size p = 0; p < rows; p++, y += ldc)
                            for (size q = 0; q < some; q++)
                                y[q] = (beta == 0 ? 0 : beta * y[q]) + last[p * COLUMNS_float + q];
                    } else if (once)
                        block(deep, x, down, along, from + j, ldb, alpha, beta, y, ldc);
                    else
                        block(deep, x, down, along, packed, COLUMNS_float, alpha, beta, y, ldc);
                }
            }
        }
    }
    return 0;
}

void product_float(int order, int ta, int tb, size m, size n, size k, float alpha, const float *a,
    size lda, const float *b, size ldb, float beta, float *c, size ldc) {
    /* OpenBLAS starts no thread for these; its threads wait by computing, beside ours */
    if ((n < COLUMNS_float || k < 4) && m * n * k <= SMALL) {
        sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        return;
    }
    const int tall = m > n / 4; /* else each thread has some of the columns */
    const size unit = tall ? ROWS : COLUMNS_float, units = ((tall ? m : n) + unit - 1) / unit;
    const size most = LESS(units, MOST), shares = m * n * k / SHARE;
    const size may = shares > 1 ? threads() : 1; /* a share takes longer than to start a thread */
    const size parts = shares > 1 ? LESS(LESS(may, most), shares) : 1;
    work_float work[MOST];
    pthread_t thread[MOST];
    int runs[MOST];
    for (size i = 0, start = 0, end; i < parts; i++, start = end) {
        end = i + 1 < parts ? units * (i + 1) / parts * unit : (tall ? m : n);
        const float *x = a + (tall ? start * (ta == 111 ? lda : 1) : 0),
            *y = b + (tall ? 0 : start * (tb == 111 ? 1 : ldb));
        work[i] = (work_float){ta, tb, tall ? end - start : m, tall ? n : end - start, k, x, y,
            lda, ldb, alpha, beta, c + start * (tall ? ldc : 1), ldc};
        runs[i] = i + 1 < parts && !pthread_create(&thread[i], 0, worked_float, &work[i]);
        if (!runs[i]) worked_float(&work[i]);
    }
    for (size i = 0; i < parts; i++)
        if (runs[i]) pthread_join(thread[i], 0);
}
#undef picks
"""


def block(rows: int) -> str:
    """The function for blocks of so many rows: each sum is a variable, so that it is a register."""
    each = range(rows)
    return BLOCK.format(
        rows=rows,
        sums=", ".join(f"x{i} = {{0}}, y{i} = {{0}}" for i in each),
        starts=", ".join(f"*a{i} = a + {i} * down" for i in each),
        steps="\n".join(
            f"        x{i} += *a{i} * u, y{i} += *a{i} * v, a{i} += along;" for i in each
        ),
        ends="\n".join(f"    end_float(c + {i} * ldc, x{i}, y{i}, alpha, beta);" for i in each),
    )


def source() -> str:
    every = range(1, ROWS + 1)
    names = ", ".join(f"block{rows}_float" for rows in every)
    text = TYPES + "".join(map(block, every)) + PRODUCT.replace("{blocks}", names)
    return (
        HEAD
        + text
        + text.replace("float", "double").replace("int32", "int64").replace("sgemm", "dgemm")
        + "#endif\n"
    )


SOURCE = source()
