/* What filters/words.py, contamination.py and similarity.py do with numpy, word by word: the same results to the bit
   (tests/filters/test_compiled.py), several times as fast. Plain C11 without Python's headers; compiled.py loads it.
   Texts are UTF-8 that Python encoded, so it is valid. Nothing is allocated. */

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifndef TTG_SOURCE
#define TTG_SOURCE "" /* hatch_build.py gives the digest of this file */
#endif

#define MIX0 0x9E3779B97F4A7C15ull
#define MIX1 0xBF58476D1CE4E5B9ull
#define MIX2 0x94D049BB133111EBull
#define NUMBER 0x6E756D626572ull

enum { WORD = 1, SPECIAL = 2, DIGIT = 4 };
enum { NOT_WORD = 1, UNKNOWN = 0, HARD = 255 }; /* in entries of the table of folds */
enum { SAYS_FOREIGN = 1 << 16, SAYS_ESCAPE_U = 1 << 17, SAYS_PERSONAL = 1 << 18 }; /* of a text; below: its scripts */
enum { BLOCK = 256, MAX_GRAM = 64, LEVELS = 7 };

static uint8_t kinds[256], lowered[256];

const char *ttg_source(void) { return TTG_SOURCE; }

void ttg_prepare(void) {
    for (int c = 0; c < 256; c++) {
        int upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
        kinds[c] = (uint8_t)((upper || digit || (c >= 'a' && c <= 'z') || c == '_' || c >= 0x80) * WORD | digit * DIGIT);
        lowered[c] = (uint8_t)(upper ? c + 32 : c);
        if (c == '\\' || c == '\n' || c == '@' || c == '+' || c >= 0x80) kinds[c] |= SPECIAL;
    }
}

static uint64_t load(const uint8_t *from) {
    uint64_t value;
    memcpy(&value, from, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static uint64_t keep(uint64_t value, int64_t size) { return size < 8 ? value & ((1ull << 8 * size) - 1) : value; }

static uint64_t smear(uint64_t value, uint64_t seed) {
    uint64_t mixed = (seed * MIX0 ^ value) * MIX1;
    mixed = (mixed ^ mixed >> 31) * MIX2;
    return mixed ^ mixed >> 29;
}

static uint64_t combine(uint64_t left, uint64_t right) { return ((left >> 32 ^ left) * MIX1 + right) * MIX2; }

/* How many bytes from `from` on, of at least 16, are nothing special; they are copied. */
static inline int copy_plain(const uint8_t *from, uint8_t *to) {
#ifdef __SSE2__
    __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    __m128i found = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))),
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('@')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('+'))));
    int special = _mm_movemask_epi8(_mm_or_si128(found, bytes));
    _mm_storeu_si128((__m128i *)to, bytes);
    return special ? __builtin_ctz((unsigned)special) : 16;
#else
    int count = 0;
    while (count < 16 && !(kinds[from[count]] & SPECIAL)) to[count] = from[count], count++;
    return count;
#endif
}

/* Which of 16 bytes are in words, a bit each; they are made lower case. */
static inline uint32_t find_words(uint8_t *at) {
#ifdef __SSE2__
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('A' - 1)),
                                  _mm_cmplt_epi8(bytes, _mm_set1_epi8('Z' + 1)));
    bytes = _mm_or_si128(bytes, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
    _mm_storeu_si128((__m128i *)at, bytes);
    __m128i letters = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('a' - 1)),
                                    _mm_cmplt_epi8(bytes, _mm_set1_epi8('z' + 1)));
    __m128i digits = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8('0' - 1)),
                                   _mm_cmplt_epi8(bytes, _mm_set1_epi8('9' + 1)));
    __m128i others = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')), bytes); /* 0x80 and more: the sign */
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letters, digits), others));
#else
    uint32_t inside = 0;
    for (int i = 0; i < 16; i++) inside |= (uint32_t)(kinds[at[i]] & WORD) << i, at[i] = lowered[at[i]];
    return inside;
#endif
}

static int decode(const uint8_t *at, int32_t *point) {
    if (at[0] < 0xE0) return *point = (at[0] & 31) << 6 | (at[1] & 63), 2;
    if (at[0] < 0xF0) return *point = (at[0] & 15) << 12 | (at[1] & 63) << 6 | (at[2] & 63), 3;
    return *point = (at[0] & 7) << 18 | (at[1] & 63) << 12 | (at[2] & 63) << 6 | (at[3] & 63), 4;
}

/* Folds texts, each followed by a line break, into `out`. `places`: code point -> its entry in `folds` (a length and as
   many bytes, NOT_WORD for what separates), 0 where nobody has looked yet. `scripts`: code point -> bits.
   Returns how many bytes that gave; or less the code point to be looked up, or -1 where texts must be folded whole.
   `text` needs 16 bytes more, `out` capacity + 64. */
int64_t ttg_fold(const uint8_t *text, const int64_t *text_ends, int64_t texts, const int32_t *places,
                 const uint8_t *folds, const uint16_t *scripts, uint8_t *out, int64_t capacity, int64_t *offsets,
                 uint32_t *says, int32_t *lines) {
    int64_t at = 0, size = 0, total = texts ? text_ends[texts - 1] + 1 : 0;
    for (int64_t number = 0; number < texts; number++) {
        int64_t end = text_ends[number];
        uint32_t said = 0;
        int32_t broken = 0;
        int after_gap = 0; /* within a run of foreign characters, behind what separates */
        offsets[number] = size;
        while (at < end) {
            int plain = copy_plain(text + at, out + size);
            if (plain) {
                if (plain > end - at) plain = (int)(end - at);
                at += plain, size += plain, after_gap = 0;
                continue;
            }
            uint8_t byte = text[at], next = text[at + 1];
            if (byte < 0x80) {
                at++, after_gap = 0;
                int opens = byte == '\\' && (next == 'n' || next == 't' || next == 'r');
                broken += byte == '\n' || (opens && next == 'n');
                said |= byte == '@' || byte == '+' ? SAYS_PERSONAL : byte == '\\' && next == 'u' ? SAYS_ESCAPE_U : 0;
                out[size++] = opens ? ' ' : byte;
                if (opens) out[size++] = ' ', at++;
                continue;
            }
            int32_t point;
            int length = decode(text + at, &point);
            const uint8_t *fold = folds + places[point];
            if (places[point] == UNKNOWN) return -(int64_t)point;
            /* All but folds give no more bytes than they take, so there is always room for what is left. */
            if (*fold == HARD || size + *fold + (total - at) > capacity) return -1;
            said |= SAYS_FOREIGN | scripts[point];
            int slash = at > 0 && text[at - 1] == '\\';
            at += length;
            for (int i = 1; i <= *fold; i++) {
                uint8_t folded = fold[i];
                int gap = folded == NOT_WORD;
                if (i == 1 && slash && (folded == 'n' || folded == 't' || folded == 'r')) {
                    out[size - 1] = ' ';
                    folded = ' ';
                }
                if (!gap || !after_gap) out[size++] = gap ? ' ' : folded;
                after_gap = gap;
            }
        }
        out[size++] = '\n', at++;
        says[number] = said;
        lines[number] = broken;
    }
    offsets[texts] = size;
    memset(out + size, 0, 64);
    return size;
}

/* Makes the buffer lower case; where words begin and end, by turns, goes to `edges`. How many edges. */
int64_t ttg_cut(uint8_t *buffer, int64_t size, int64_t *edges) {
    int64_t count = 0;
    uint32_t before = 0;
    for (int64_t at = 0; at < size; at += 16) {
        uint32_t inside = find_words(buffer + at), changes = (inside ^ (inside << 1 | before)) & 0xFFFF;
        before = inside >> 15 & 1;
        for (; changes; changes &= changes - 1) edges[count++] = at + __builtin_ctz(changes);
    }
    return count;
}

/* Keys and hashes of words; hashes of words beyond max_size bytes are left to the caller. */
void ttg_hash(const uint8_t *buffer, const int64_t *edges, int64_t words, int64_t max_size, int mask_numbers,
              uint64_t *keys, uint64_t *hashes) {
    for (int64_t word = 0; word < words; word++, edges += 2) {
        const uint8_t *from = buffer + edges[0];
        int64_t size = edges[1] - edges[0];
        keys[word] = load(from);
        uint64_t hash = smear(keep(keys[word], size), (uint64_t)size);
        for (int64_t done = 8; done < size && done < max_size; done += 8)
            hash = smear(keep(load(from + done), size - done), hash);
        if (mask_numbers) {
            int64_t digits = 0;
            while (digits < size && kinds[from[digits]] & DIGIT) digits++;
            if (digits == size) hash = NUMBER;
        }
        hashes[word] = hash;
    }
}

/* Hashes of `size` words from each of `count` words on (there are size - 1 more); count at most BLOCK. */
static void roll(const uint64_t *hashes, int64_t count, int size, uint64_t *grams) {
    uint64_t level[LEVELS][BLOCK + MAX_GRAM];
    const uint64_t *part[LEVELS + 1] = {hashes};
    int power = 0;
    for (; 2 << power <= size; power++) {
        int64_t length = count + size - (2 << power);
        for (int64_t i = 0; i < length; i++) level[power][i] = combine(part[power][i], part[power][i + (1 << power)]);
        part[power + 1] = level[power];
    }
    memcpy(grams, part[power], (size_t)count * 8);
    int at = 1 << power;
    while (power-- > 0) {
        if (!(size >> power & 1)) continue;
        for (int64_t i = 0; i < count; i++) grams[i] = combine(grams[i], part[power][i + at]);
        at += 1 << power;
    }
    for (int64_t i = 0; i < count; i++) grams[i] = grams[i] * MIX0 ^ (uint64_t)size;
}

void ttg_roll(const uint64_t *hashes, int64_t count, int size, uint64_t *grams) {
    for (int64_t at = 0; at < count; at += BLOCK) {
        roll(hashes + at, count - at < BLOCK ? count - at : BLOCK, size, grams + at);
    }
}

/* Which of the runs of `size` words, of which there are `count`, pass a gate of 2^bits bits by their upper bits and by the
   bits below; their hashes. How many. `passed` and `grams` have room for all that are given. */
int64_t ttg_pass(const uint64_t *hashes, int64_t count, int size, const uint8_t *gate, int bits, int64_t *passed,
                 uint64_t *grams) {
    int64_t found = 0;
    uint64_t rolled[BLOCK], mask = ((uint64_t)1 << bits) - 1;
    for (int64_t at = 0; at < count; at += BLOCK) {
        int64_t here = count - at < BLOCK ? count - at : BLOCK;
        roll(hashes + at, here, size, rolled);
        for (int64_t i = 0; i < here; i++) {
            uint64_t high = rolled[i] >> (64 - bits), low = rolled[i] >> (64 - 2 * bits) & mask;
            if (gate[high >> 3] >> (high & 7) & gate[low >> 3] >> (low & 7) & 1) {
                passed[found] = at + i;
                grams[found++] = rolled[i];
            }
        }
    }
    return found;
}

/* The least of the shingles of each document in each of its slots; document d is the words from firsts[d] on. */
void ttg_least(const uint64_t *hashes, const int64_t *firsts, int64_t documents, int shingle, int64_t slots,
               uint32_t *least) {
    uint64_t grams[BLOCK];
    for (int64_t document = 0; document < documents; document++, least += slots) {
        int64_t at = firsts[document], end = firsts[document + 1] - (shingle - 1);
        while (at < end) {
            int64_t count = end - at < BLOCK ? end - at : BLOCK;
            roll(hashes + at, count, shingle, grams);
            for (int64_t i = 0; i < count; i++) {
                uint32_t *slot = least + ((grams[i] >> 32) * (uint64_t)slots >> 32), value = (uint32_t)grams[i];
                if (value < *slot) *slot = value;
            }
            at += count;
        }
    }
}
