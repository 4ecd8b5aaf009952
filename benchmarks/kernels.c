/* The generated kernels as a C programmer would write them: a peer that shows how close they
   are to the machine. Compiled by the benchmark with gcc -O3 -march=native. */
#include <stdint.h>
#include <string.h>

static inline int32_t i4(const uint8_t *p) { int32_t v; memcpy(&v, p, 4); return v; }
static inline float f4(const uint8_t *p) { float v; memcpy(&v, p, 4); return v; }
static inline void put_i4(uint8_t *p, int32_t v) { memcpy(p, &v, 4); }
static inline void put_f4(uint8_t *p, float v) { memcpy(p, &v, 4); }

/* A loop over all pairs, as a reader sums losses. */
double sum_losses(const uint8_t *data, int64_t size) {
    const uint8_t *at = data, *end = data + size;
    double total = 0;
    while (at + 8 <= end) {
        at += 8;
        while (at + 8 <= end) {
            int32_t sidx = i4(at);
            at += 4;
            if (!sidx) { at += 4; break; }
            total += f4(at);
            at += 4;
        }
    }
    return total;
}

int64_t find_blocks(const uint8_t *data, int64_t size, int32_t *event, int32_t *item,
                    int64_t *start, int64_t *entries) {
    const uint8_t *at = data, *end = data + size;
    int64_t n = 0;
    while (at + 8 <= end) {
        event[n] = i4(at);
        item[n] = i4(at + 4);
        start[n] = at - data;
        at += 8;
        const uint8_t *first = at;
        while (at + 8 <= end) {
            int32_t sidx = i4(at);
            at += 8;
            if (!sidx) break;
        }
        entries[n++] = (at - first) / 8 - 1;
    }
    return n;
}

/* Rows until the output is full: the cursor, the open block and the row count go back. */
int64_t decode_rows(const uint8_t *data, int64_t size, int64_t *cursor, int32_t *open,
                    int32_t *event, int32_t *item, int32_t *sidx, float *loss, int64_t room) {
    const uint8_t *at = data + *cursor, *end = data + size;
    int64_t n = 0;
    for (;;) {
        if (!open[0]) {
            if (at + 8 > end) break;
            open[1] = i4(at);
            open[2] = i4(at + 4);
            open[0] = 1;
            at += 8;
        }
        while (at + 8 <= end) {
            int32_t s = i4(at);
            if (!s) { at += 8; open[0] = 0; break; }
            if (n >= room) break;
            event[n] = open[1];
            item[n] = open[2];
            sidx[n] = s;
            loss[n] = f4(at + 4);
            n++;
            at += 8;
        }
        if (open[0]) break;
    }
    *cursor = at - data;
    return n;
}

int64_t encode_rows(uint8_t *out, const int32_t *event, const int32_t *item,
                    const int32_t *sidx, const float *loss, int64_t rows) {
    uint8_t *at = out;
    int32_t e = 0, i = 0;
    for (int64_t n = 0; n < rows; n++) {
        if (event[n] != e || item[n] != i) {
            if (n) { memset(at, 0, 8); at += 8; }
            e = event[n];
            i = item[n];
            put_i4(at, e);
            put_i4(at + 4, i);
            at += 8;
        }
        put_i4(at, sidx[n]);
        put_f4(at + 4, loss[n]);
        at += 8;
    }
    memset(at, 0, 8);
    return at + 8 - out;
}

int64_t encode_dense(uint8_t *out, int32_t event, const int32_t *item, const float *losses,
                     int64_t items, int64_t samples) {
    uint8_t *at = out;
    for (int64_t b = 0; b < items; b++) {
        put_i4(at, event);
        put_i4(at + 4, item[b]);
        at += 8;
        for (int64_t k = 0; k < samples; k++) {
            float value = losses[b * samples + k];
            if (value != 0) {
                put_i4(at, (int32_t)k + 1);
                put_f4(at + 4, value);
                at += 8;
            }
        }
        memset(at, 0, 8);
        at += 8;
    }
    return at - out;
}

/* Header, pairs and delimiter of block after block, as the mv_write functions write them. */
int64_t write_blocks(uint8_t *out, int64_t blocks, int64_t pairs) {
    uint8_t *at = out;
    for (int64_t b = 0; b < blocks; b++) {
        put_i4(at, 1);
        put_i4(at + 4, (int32_t)b);
        at += 8;
        for (int64_t k = 1; k <= pairs; k++) {
            put_i4(at, (int32_t)k);
            put_f4(at + 4, 1.5f);
            at += 8;
        }
        memset(at, 0, 8);
        at += 8;
    }
    return at - out;
}
