/* Reads a stream with evstream.h alone, prints what is in it, and writes it again.

   roundtrip [WIDTHS STREAM CHUNK LENGTH IN OUT]...

   WIDTHS   of int, float and areaperil, e.g. i4_f4_u4
   STREAM   "-", or event_ids for a stream that has no type word
   CHUNK    bytes that are read at a time; 0 for all at once
   LENGTH   bytes of IN that are read; -1 for all, -2 for every length from 0 up in turn
   OUT      "-" for none

   Prints a line per job, header, record and block, and how the stream ended:
       j
       h len_sample [summary_set_id]
       r fields of the block header (but the count), [bin index,] fields of the entry
       b offset, fields of the block header, entries
       z offset of a hole, before its block
       e status, offset, start of the last block, bytes that are left over
   Floats are printed as x and the hexadecimal digits of their bits. For every length of LENGTH -2
   only the last line is printed. Each piece of input lies in memory of its own size, so that
   the sanitizer sees any byte that is read beyond it. */
#include <stdio.h>
#include <stdlib.h>

#include "evstream.h"

typedef struct input {
    const unsigned char *bytes;
    size_t size;
    size_t chunk;
    int is_quiet;
    FILE *out;
} input;

static const char *const NAMES[] = {
    "ok", "block", "entry", "block_end", "need_input", "end", "no_final_delimiter", "error",
    "unknown_type", "bad_header", "bad_count", "short_header", "block_without_entries",
    "truncated", "wrong_call", "hole", "second_stream", "gave_up"};

static void print_int(int64_t value) { printf(" %lld", (long long)value); }

static void print_unsigned(uint64_t value) { printf(" %llu", (unsigned long long)value); }

static void print_f4(const float *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    printf(" x%08lx", (unsigned long)bits);
}

static void print_f8(const double *value)
{
    uint64_t bits;
    memcpy(&bits, value, sizeof bits);
    printf(" x%016llx", (unsigned long long)bits);
}

static void put(const input *in, const unsigned char *bytes, size_t size)
{
    if (in->out != NULL && fwrite(bytes, 1, size, in->out) != size)
        abort();
}

/* Give the reader the next chunk, in memory of exactly the size of what it may read. */
static int refill(evs_reader *reader, const input *in, unsigned char **memory)
{
    size_t rest = reader->size;
    size_t begin = (size_t)reader->offset + rest;
    size_t n = in->size - begin < in->chunk ? in->size - begin : in->chunk;
    unsigned char *next;
    if (n == 0)
        return 0;
    next = (unsigned char *)malloc(rest + n);
    if (next == NULL)
        abort();
    evs_move_rest(reader, next);
    memcpy(next + rest, in->bytes + begin, n);
    evs_feed(reader, next, rest + n);
    free(*memory);
    *memory = next;
    return 1;
}

#define PRINT_HOLE                                                             \
    if (status == EVS_HOLE && !in->is_quiet)                                   \
        printf("z %llu\n", (unsigned long long)reader->start);

/* Call something until it has the bytes that it needs, or there are no more. */
#define NEXT(status, call)                                                     \
    do                                                                         \
        status = (call);                                                       \
    while (status == EVS_NEED_INPUT && refill(reader, in, memory))

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define NAMED(name) PASTE(name, WIDTHS)

#define INT i4
#define FLOAT f4
#define AREAPERIL u4
#define WIDTHS i4_f4_u4
#include "roundtrip_widths.h"
#define INT i4
#define FLOAT f4
#define AREAPERIL u8
#define WIDTHS i4_f4_u8
#include "roundtrip_widths.h"
#define INT i4
#define FLOAT f8
#define AREAPERIL u4
#define WIDTHS i4_f8_u4
#include "roundtrip_widths.h"
#define INT i4
#define FLOAT f8
#define AREAPERIL u8
#define WIDTHS i4_f8_u8
#include "roundtrip_widths.h"
#define INT i8
#define FLOAT f4
#define AREAPERIL u4
#define WIDTHS i8_f4_u4
#include "roundtrip_widths.h"
#define INT i8
#define FLOAT f4
#define AREAPERIL u8
#define WIDTHS i8_f4_u8
#include "roundtrip_widths.h"
#define INT i8
#define FLOAT f8
#define AREAPERIL u4
#define WIDTHS i8_f8_u4
#include "roundtrip_widths.h"
#define INT i8
#define FLOAT f8
#define AREAPERIL u8
#define WIDTHS i8_f8_u8
#include "roundtrip_widths.h"

typedef evs_status (*read_function)(
    evs_reader *reader, const input *in, unsigned char **memory, int has_type);

static read_function of_widths(const char *widths)
{
    static const struct {
        const char *widths;
        read_function function;
    } FUNCTIONS[] = {
        {"i4_f4_u4", read_stream_i4_f4_u4}, {"i4_f4_u8", read_stream_i4_f4_u8},
        {"i4_f8_u4", read_stream_i4_f8_u4}, {"i4_f8_u8", read_stream_i4_f8_u8},
        {"i8_f4_u4", read_stream_i8_f4_u4}, {"i8_f4_u8", read_stream_i8_f4_u8},
        {"i8_f8_u4", read_stream_i8_f8_u4}, {"i8_f8_u8", read_stream_i8_f8_u8}};
    size_t i;
    for (i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++)
        if (strcmp(FUNCTIONS[i].widths, widths) == 0)
            return FUNCTIONS[i].function;
    fprintf(stderr, "no widths %s\n", widths);
    exit(2);
}

static void run(read_function function, const input *in, int has_type)
{
    evs_reader reader;
    unsigned char *memory = NULL;
    evs_status status;
    evs_begin(&reader, has_type ? EVS_AT_TYPE : EVS_AT_BLOCK);
    status = function(&reader, in, &memory, has_type);
    if (status == EVS_NEED_INPUT)
        status = evs_finish(&reader);
    printf("e %s", NAMES[status]);
    print_unsigned(reader.offset);
    print_unsigned(reader.start);
    print_unsigned(reader.size);
    printf("\n");
    free(memory);
}

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes;
    long end;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0)
        abort();
    rewind(file);
    *size = (size_t)end;
    bytes = (unsigned char *)malloc(*size + 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size)
        abort();
    fclose(file);
    return bytes;
}

static void do_job(char **job)
{
    read_function function = of_widths(job[0]);
    int has_type = strcmp(job[1], "event_ids") != 0;
    long limit = strtol(job[3], NULL, 10);
    size_t size, length;
    unsigned char *bytes = read_file(job[4], &size);
    input in;
    in.bytes = bytes;
    in.chunk = (size_t)strtol(job[2], NULL, 10);
    if (in.chunk == 0)
        in.chunk = size + 1;
    in.is_quiet = limit == -2;
    in.out = NULL;
    if (strcmp(job[5], "-") != 0 && (in.out = fopen(job[5], "wb")) == NULL)
        abort();
    for (length = 0; limit == -2 && length < size; length++) {
        in.size = length;
        run(function, &in, has_type);
    }
    in.size = limit >= 0 && (size_t)limit < size ? (size_t)limit : size;
    run(function, &in, has_type);
    free(bytes);
    if (in.out != NULL && fclose(in.out) != 0)
        abort();
}

int main(int argc, char **argv)
{
    int i;
    if (argc % 6 != 1) {
        fprintf(stderr, "roundtrip [WIDTHS STREAM CHUNK LENGTH IN OUT]...\n");
        return 2;
    }
    for (i = 1; i < argc; i += 6) {
        printf("j\n");
        do_job(argv + i);
    }
    return 0;
}
