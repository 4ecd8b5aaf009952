/* The part of roundtrip.c that is compiled once per combination of INT, FLOAT and AREAPERIL.
   Included again and again, hence without a guard. */

#define OF_INT(name) PASTE(name, INT)
#define OF_FLOAT(name) PASTE(name, FLOAT)
#define OF_BOTH(name) OF_FLOAT(OF_INT(name))
#define OF_ALL(name) PASTE(OF_BOTH(name), AREAPERIL)
#define OF_IDS(name) PASTE(OF_INT(name), AREAPERIL)
#define PRINT_FLOAT PASTE(print, FLOAT)

static void NAMED(write_entry)(const input *in, const OF_BOTH(evs_sidx_loss) * entry)
{
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    put(in, bytes, OF_BOTH(evs_write_sidx_loss)(bytes, entry));
}

static void NAMED(write_delimiter)(const input *in)
{
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    put(in, bytes, OF_BOTH(evs_write_delimiter)(bytes));
}

/* A block that is closed, or has at least one entry: its offset, ids and entries. */
#define PRINT_BLOCK(print_ids)                                                 \
    if (!in->is_quiet) {                                                       \
        printf("b");                                                           \
        print_unsigned(reader->start);                                         \
        print_ids;                                                             \
        print_unsigned(reader->entries);                                       \
        printf("\n");                                                          \
    }

/* Blocks of (sidx, loss) pairs: the three kinds differ in their header alone. */
#define PAIRS(name, next, header_type, write_header, print_ids)                \
    static evs_status NAMED(name)(                                             \
        evs_reader * reader, const input *in, unsigned char **memory)          \
    {                                                                          \
        header_type block;                                                     \
        OF_BOTH(evs_sidx_loss) entry;                                          \
        unsigned char bytes[EVS_MAX_RECORD_SIZE];                              \
        evs_status status;                                                     \
        memset(&block, 0, sizeof block);                                       \
        for (;;) {                                                             \
            NEXT(status, next(reader, &block, &entry));                        \
            if (status == EVS_BLOCK) {                                         \
                put(in, bytes, write_header(bytes, &block));                   \
            } else if (status == EVS_ENTRY) {                                  \
                NAMED(write_entry)(in, &entry);                                \
                if (!in->is_quiet) {                                           \
                    printf("r");                                               \
                    print_ids;                                                 \
                    print_int(entry.sidx);                                     \
                    PRINT_FLOAT(&entry.loss);                                  \
                    printf("\n");                                              \
                }                                                              \
            } else if (status == EVS_BLOCK_END || status == EVS_HOLE) {        \
                PRINT_HOLE                                                     \
                NAMED(write_delimiter)(in);                                    \
                PRINT_BLOCK(print_ids)                                         \
            } else {                                                           \
                if (reader->state == EVS_IN_DELIMITED && reader->entries != 0) \
                    PRINT_BLOCK(print_ids)                                     \
                return status;                                                 \
            }                                                                  \
        }                                                                      \
    }

PAIRS(read_items, OF_BOTH(evs_next_item), OF_INT(evs_item_header),
    OF_INT(evs_write_item_header), (print_int(block.event_id), print_int(block.item_id)))
PAIRS(read_coverages, OF_BOTH(evs_next_coverage), OF_INT(evs_coverage_header),
    OF_INT(evs_write_coverage_header), (print_int(block.event_id), print_int(block.coverage_id)))
PAIRS(read_summaries, OF_BOTH(evs_next_summary), OF_BOTH(evs_summary_header),
    OF_BOTH(evs_write_summary_header),
    (print_int(block.event_id), print_int(block.summary_id), PRINT_FLOAT(&block.exposure_value)))

#define PRINT_CDF_IDS                                                          \
    (print_int(block.event_id), print_unsigned(block.areaperil_id),            \
        print_int(block.vulnerability_id))

static evs_status NAMED(read_cdfs)(evs_reader *reader, const input *in, unsigned char **memory)
{
    OF_IDS(evs_cdf_header) block;
    OF_FLOAT(evs_damage_bin) entry;
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    evs_status status;
    memset(&block, 0, sizeof block);
    for (;;) {
        NEXT(status, OF_ALL(evs_next_cdf)(reader, &block, &entry));
        if (status == EVS_BLOCK) {
            put(in, bytes, OF_IDS(evs_write_cdf_header)(bytes, &block));
        } else if (status == EVS_ENTRY) {
            put(in, bytes, OF_FLOAT(evs_write_damage_bin)(bytes, &entry));
            if (!in->is_quiet) {
                printf("r");
                PRINT_CDF_IDS;
                print_unsigned(reader->entries);
                PRINT_FLOAT(&entry.prob_to);
                PRINT_FLOAT(&entry.bin_mean);
                printf("\n");
            }
        } else if (status == EVS_BLOCK_END || status == EVS_HOLE) {
            PRINT_HOLE
            PRINT_BLOCK(PRINT_CDF_IDS)
        } else {
            if (reader->state == EVS_IN_COUNTED && reader->entries != 0)
                PRINT_BLOCK(PRINT_CDF_IDS)
            return status;
        }
    }
}

static evs_status NAMED(read_event_ids)(evs_reader *reader, const input *in, unsigned char **memory)
{
    OF_INT(evs_event_header) block;
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    evs_status status;
    for (;;) {
        NEXT(status, OF_INT(evs_next_event_id)(reader, &block));
        if (status != EVS_BLOCK && status != EVS_HOLE)
            return status;
        PRINT_HOLE
        put(in, bytes, OF_INT(evs_write_event_header)(bytes, &block));
        if (!in->is_quiet) {
            printf("r");
            print_int(block.event_id);
            printf("\n");
        }
        PRINT_BLOCK(print_int(block.event_id))
    }
}

static evs_status NAMED(read_sample_header)(
    evs_reader *reader, const input *in, unsigned char **memory)
{
    evs_sample_stream_header header;
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    evs_status status;
    NEXT(status, evs_next_sample_stream_header(reader, &header));
    if (status == EVS_OK) {
        put(in, bytes, evs_write_sample_stream_header(bytes, &header));
        if (!in->is_quiet) {
            printf("h");
            print_int(header.len_sample);
            printf("\n");
        }
    }
    return status;
}

static evs_status NAMED(read_summary_header)(
    evs_reader *reader, const input *in, unsigned char **memory)
{
    OF_INT(evs_summary_stream_header) header;
    unsigned char bytes[EVS_MAX_RECORD_SIZE];
    evs_status status;
    NEXT(status, OF_INT(evs_next_summary_stream_header)(reader, &header));
    if (status == EVS_OK) {
        put(in, bytes, OF_INT(evs_write_summary_stream_header)(bytes, &header));
        if (!in->is_quiet) {
            printf("h");
            print_int(header.len_sample);
            print_int(header.summary_set_id);
            printf("\n");
        }
    }
    return status;
}

static evs_status NAMED(read_stream)(
    evs_reader *reader, const input *in, unsigned char **memory, int has_type)
{
    unsigned char bytes[EVS_TYPE_WORD_SIZE];
    uint32_t type = 0;
    evs_status status;
    if (!has_type)
        return NAMED(read_event_ids)(reader, in, memory);
    NEXT(status, evs_next_type(reader, &type));
    if (status != EVS_OK)
        return status;
    if (type != evs_pack_type(evs_type_aggregation(type), evs_type_source(type)))
        abort();
    put(in, bytes, evs_write_type(bytes, type));
    switch (type) {
    case EVS_TYPE_CDF:
        return NAMED(read_cdfs)(reader, in, memory);
    case EVS_TYPE_SUMMARY:
        status = NAMED(read_summary_header)(reader, in, memory);
        return status == EVS_OK ? NAMED(read_summaries)(reader, in, memory) : status;
    case EVS_TYPE_GUL_COVERAGE:
        status = NAMED(read_sample_header)(reader, in, memory);
        return status == EVS_OK ? NAMED(read_coverages)(reader, in, memory) : status;
    default:
        status = NAMED(read_sample_header)(reader, in, memory);
        return status == EVS_OK ? NAMED(read_items)(reader, in, memory) : status;
    }
}

#undef OF_INT
#undef OF_FLOAT
#undef OF_BOTH
#undef OF_ALL
#undef OF_IDS
#undef PRINT_FLOAT
#undef PRINT_BLOCK
#undef PAIRS
#undef PRINT_CDF_IDS
#undef INT
#undef FLOAT
#undef AREAPERIL
#undef WIDTHS
