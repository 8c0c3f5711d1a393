/**
 * What programs of fuzzing share: readers by the first letter of an input, seeds, and their variations.
 *
 * With libFuzzer (-DWM_LIBFUZZER -fsanitize=fuzzer) the inputs are its own; `NAME_fuzz --seeds DIR` of the plain
 * program writes the first ones for it. The plain program tries these and a fixed number of variations, the same at
 * each start.
 */
#ifndef WM_TESTS_FUZZ_H
#define WM_TESTS_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever comes in; an abort is what libFuzzer looks for. */
#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { INPUT_BYTES = 1 << 16 };

struct fuzz_reader {
    char letter;
    void (*try)(const uint8_t *data, size_t size); /* with the bytes behind the letter */
    int variations; /* of each seed, by the plain program: those that write files are slow */
};

static inline void fuzz_one(const struct fuzz_reader *readers, size_t n, const uint8_t *data, size_t size)
{
    for (size_t i = 0; size > 0 && size <= INPUT_BYTES && i < n; i++)
        if (readers[i].letter == (char)data[0])
            readers[i].try(data + 1, size - 1);
}

#ifndef WM_LIBFUZZER

struct fuzz_seed {
    const char *bytes;
    size_t n;
};

#define SEED(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

/* xorshift64: the same numbers at each start, so that what fails fails again. */
static uint32_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

/* One change of a kind that finds borders: another byte, a cut, a piece repeated, a piece of another seed. */
static size_t change(const struct fuzz_seed *seeds, size_t n_seeds, uint8_t *input, size_t n, size_t cap,
                     uint64_t *random)
{
    static const char odd[] = "\0\xff\n:/.- 09x<>\"&;\x80\x7f";
    size_t at = 1 + next_random(random) % n, piece = 1 + next_random(random) % 40;
    size_t other = next_random(random) % n_seeds;
    switch (next_random(random) % 5) {
    case 0:
        input[at < n ? at : n - 1] = (uint8_t)next_random(random);
        return n;
    case 1:
        input[at < n ? at : n - 1] = (uint8_t)odd[next_random(random) % (sizeof(odd) - 1)];
        return n;
    case 2:
        return at < n ? at : n;
    case 3:
        for (; n < cap && piece > 0 && at < n; piece--, at++)
            input[n++] = input[at];
        return n;
    default:
        for (size_t i = 1; n < cap && i < seeds[other].n; i++)
            input[n++] = (uint8_t)seeds[other].bytes[i];
        return n;
    }
}

static void vary(const struct fuzz_seed *seeds, size_t n_seeds, size_t seed, int variations, uint64_t *random)
{
    uint8_t input[4096];
    for (int i = 0; i < variations; i++) {
        size_t n = seeds[seed].n < sizeof(input) ? seeds[seed].n : sizeof(input);
        memcpy(input, seeds[seed].bytes, n);
        for (uint32_t changes = next_random(random) % 4 + 1; i > 0 && changes > 0; changes--)
            n = change(seeds, n_seeds, input, n, sizeof(input), random);
        /* From the heap, at its exact size: a read behind the end is seen. */
        uint8_t *exact = malloc(n);
        MUST(exact != NULL);
        memcpy(exact, input, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
}

static int write_seeds(const struct fuzz_seed *seeds, size_t n, const char *to)
{
    for (size_t i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/seed-%zu", to, i);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(seeds[i].bytes, 1, seeds[i].n, file) != seeds[i].n || fclose(file) != 0) {
            fprintf(stderr, "cannot write %s\n", path);
            return 1;
        }
    }
    return 0;
}

static int fuzz_main(int argc, char **argv, const struct fuzz_reader *readers, size_t n_readers,
                     const struct fuzz_seed *seeds, size_t n_seeds)
{
    uint64_t random = 0x9e3779b97f4a7c15;
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(seeds, n_seeds, argv[2]);
    for (size_t i = 0; i < n_seeds; i++) {
        int variations = 0;
        for (size_t k = 0; k < n_readers; k++)
            if (readers[k].letter == seeds[i].bytes[0])
                variations = readers[k].variations;
        vary(seeds, n_seeds, i, variations, &random);
        CHECK(variations > 0); /* its letter has a reader */
    }
    return wm_tests_end();
}

#endif
#endif
