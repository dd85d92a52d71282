/*
 * Raw deflate (RFC 1951) for layers: one fast level, somewhat better than zlib's level 2 at three times its speed.
 * Matches are found greedily in a table of the last two places of each four bytes; every 64 kB get Huffman codes of
 * their own, or are stored if they don't compress. The same input gives the same output on every machine.
 *
 * A piece of a stream is compressed at a time, on the runtime's pool, with what stands before it as dictionary; it ends
 * on a byte boundary (an empty stored block), so that pieces made in parallel are joined by writing one after another.
 */
#include "support.h"

#define HASH_BITS 15
#define MIN_MATCH 4
#define MAX_MATCH 258
#define WINDOW 32768
#define BLOCK_BYTES 65536
#define MAX_SEQUENCES 16384
#define LITERAL_SYMBOLS 286
#define DISTANCE_SYMBOLS 30
#define LENGTH_SYMBOLS 19
#define MAX_CODE_BITS 15
#define MAX_LENGTH_CODE_BITS 7
#define END_OF_BLOCK 256
#define STORED_LIMIT 65535
/* What a block may take beyond its own bytes when it is stored, in two parts if need be; with room to spare. */
#define BLOCK_OVERHEAD 24
#define INPUT_LIMIT (1 << 28)
#define NOWHERE (-(1 << 30))

_Static_assert(MAX_SEQUENCES * MIN_MATCH >= BLOCK_BYTES, "a block that is full of matches is no shorter than others: output_bound() counts on it");
_Static_assert(5 * ((BLOCK_BYTES + MAX_MATCH) / STORED_LIMIT + 1) + 2 <= BLOCK_OVERHEAD, "stored blocks fit into output_bound()");
_Static_assert(7 + MAX_CODE_BITS + 5 + MAX_CODE_BITS + 13 <= 64 && 7 + 3 * MAX_CODE_BITS <= 64, "the writer holds what is put between two flushes");
_Static_assert(WINDOW - 1 <= UINT16_MAX && MAX_MATCH <= UINT16_MAX && LITERAL_SYMBOLS <= UINT16_MAX, "sequences and symbols fit their fields");
_Static_assert((int64_t)INPUT_LIMIT - NOWHERE <= INT32_MAX && -NOWHERE > WINDOW, "NOWHERE is beyond the window of every place, and its distance an int32_t");

typedef struct {
  uint32_t literals;
  uint16_t length;
  uint16_t distance;
} sequence;

typedef struct {
  uint32_t bits[LITERAL_SYMBOLS];
  uint8_t lengths[LITERAL_SYMBOLS];
} code;

typedef struct {
  uint64_t held;
  unsigned count;
  uint8_t *at;
} writer;

typedef struct {
  /* Two each: the newer in the low half. */
  uint64_t places[1 << HASH_BITS];
  sequence sequences[MAX_SEQUENCES];
  size_t sequence_count;
  uint32_t trailing_literals;
  uint32_t literal_counts[LITERAL_SYMBOLS];
  uint32_t distance_counts[DISTANCE_SYMBOLS];
  code literals;
  code distances;
} compressor;

static const uint16_t length_base[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[30] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
static const uint8_t length_order[LENGTH_SYMBOLS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

static uint8_t length_symbols[MAX_MATCH + 1];
/* Of distance - 1 below 256, then of (distance - 1) / 128. */
static uint8_t distance_symbols[512];

/* Once, as the addon is loaded: a worker thread that loads it again must not write what compressions are reading. */
__attribute__((constructor)) static void make_tables(void) {
  for (int symbol = 0; symbol < 29; symbol++) {
    int end = symbol == 28 ? MAX_MATCH : symbol == 27 ? MAX_MATCH - 1 : length_base[symbol + 1] - 1;
    for (int length = length_base[symbol]; length <= end; length++) length_symbols[length] = (uint8_t)symbol;
  }
  for (int symbol = 0; symbol < DISTANCE_SYMBOLS; symbol++) {
    int end = symbol == DISTANCE_SYMBOLS - 1 ? WINDOW : distance_base[symbol + 1] - 1;
    for (int distance = distance_base[symbol]; distance <= end; distance++) {
      if (distance <= 256) distance_symbols[distance - 1] = (uint8_t)symbol;
      else distance_symbols[256 + ((distance - 1) >> 7)] = (uint8_t)symbol;
    }
  }
}

static inline unsigned distance_symbol(unsigned distance) {
  return distance <= 256 ? distance_symbols[distance - 1] : distance_symbols[256 + ((distance - 1) >> 7)];
}

static inline uint32_t load32(const uint8_t *at) {
  uint32_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static inline uint32_t hash_of(uint32_t word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap32(word);
#endif
  return (word * UINT32_C(0x9E3779B1)) >> (32 - HASH_BITS);
}

/* ---- finding matches */

static inline unsigned match_length(const uint8_t *at, const uint8_t *earlier, unsigned limit) {
  unsigned length = MIN_MATCH;
  while (length + 8 <= limit) {
    uint64_t difference = tp_load64(at + length) ^ tp_load64(earlier + length);
    if (difference != 0) return length + (unsigned)__builtin_ctzll(difference) / 8;
    length += 8;
  }
  while (length < limit && at[length] == earlier[length]) length++;
  return length;
}

static inline void remember(compressor *state, const uint8_t *at, int32_t place) {
  uint64_t *bucket = &state->places[hash_of(load32(at))];
  *bucket = *bucket << 32 | (uint32_t)place;
}

/* Looks at one block from `at` on, at most up to `end` (matches may go beyond the block's 64 kB), and returns where it ends. */
static const uint8_t *find_matches(compressor *state, const uint8_t *base, const uint8_t *at, const uint8_t *end) {
  const uint8_t *block_end = end - at > BLOCK_BYTES ? at + BLOCK_BYTES : end;
  size_t count = 0;
  uint32_t literals = 0;
  memset(state->literal_counts, 0, sizeof state->literal_counts);
  memset(state->distance_counts, 0, sizeof state->distance_counts);
  while (at < block_end && count < MAX_SEQUENCES) {
    unsigned best = 0, distance = 0;
    if (end - at >= 8) {
      uint32_t word = load32(at);
      int32_t place = (int32_t)(at - base);
      uint64_t *bucket = &state->places[hash_of(word)], places = *bucket;
      int32_t first = (int32_t)(uint32_t)places, second = (int32_t)(uint32_t)(places >> 32);
      *bucket = places << 32 | (uint32_t)place;
      unsigned limit = end - at < MAX_MATCH ? (unsigned)(end - at) : MAX_MATCH;
      if (place - first <= WINDOW) {
        if (load32(base + first) == word) {
          best = match_length(at, base + first, limit);
          distance = (unsigned)(place - first);
        }
        if (place - second <= WINDOW && best < limit && load32(base + second) == word) {
          unsigned length = match_length(at, base + second, limit);
          if (length > best) {
            best = length;
            distance = (unsigned)(place - second);
          }
        }
      }
    }
    if (best == 0) {
      state->literal_counts[*at++]++;
      literals++;
      continue;
    }
    state->sequences[count++] = (sequence){literals, (uint16_t)best, (uint16_t)(distance - 1)};
    state->literal_counts[257 + length_symbols[best]]++;
    state->distance_counts[distance_symbol(distance)]++;
    literals = 0;
    const uint8_t *next = at + best;
    /* The last bytes are not looked for: four of them and a whole word could not be read. */
    const uint8_t *stop = end - next >= 8 ? next : end - 7;
    /* Each second place: the others cost a twentieth of the time and save a hundredth of the size. */
    for (at++; at < stop; at += 2) remember(state, at, (int32_t)(at - base));
    at = next;
  }
  state->literal_counts[END_OF_BLOCK] = 1;
  state->sequence_count = count;
  state->trailing_literals = literals;
  return at;
}

/* ---- Huffman codes */

/* Lengths of a minimum-redundancy code for ascending weights, in place (Moffat and Katajainen 1995). */
static void code_lengths(uint32_t *weights, int count) {
  int root = 0, leaf = 2;
  weights[0] += weights[1];
  for (int next = 1; next < count - 1; next++) {
    for (int child = 0; child < 2; child++) {
      uint32_t weight;
      if (leaf >= count || (root < next && weights[root] < weights[leaf])) {
        weight = weights[root];
        weights[root++] = (uint32_t)next;
      } else {
        weight = weights[leaf++];
      }
      weights[next] = child == 0 ? weight : weights[next] + weight;
    }
  }
  weights[count - 2] = 0;
  for (int next = count - 3; next >= 0; next--) weights[next] = weights[weights[next]] + 1;
  int available = 1, used = 0, next = count - 1;
  uint32_t depth = 0;
  root = count - 2;
  while (available > 0) {
    while (root >= 0 && weights[root] == depth) {
      used++;
      root--;
    }
    while (available > used) {
      weights[next--] = depth;
      available--;
    }
    available = 2 * used;
    depth++;
    used = 0;
  }
}

static int by_weight(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

/* A canonical code for `counts`, no code longer than `max_bits`; always at least two codes, as some decoders want. */
static void make_code(const uint32_t *counts, int symbols, int max_bits, code *out) {
  uint64_t order[LITERAL_SYMBOLS];
  uint32_t weights[LITERAL_SYMBOLS];
  unsigned per_length[MAX_CODE_BITS + 2] = {0}, next_code[MAX_CODE_BITS + 2] = {0};
  int used = 0;
  memset(out->lengths, 0, sizeof out->lengths);
  for (int symbol = 0; symbol < symbols; symbol++)
    if (counts[symbol] != 0) order[used++] = (uint64_t)counts[symbol] << 16 | (uint64_t)symbol;
  for (int symbol = 0; used < 2; symbol++)
    if (counts[symbol] == 0) order[used++] = (uint64_t)symbol;
  qsort(order, (size_t)used, sizeof *order, by_weight);
  for (int i = 0; i < used; i++) weights[i] = (uint32_t)(order[i] >> 16);
  code_lengths(weights, used);
  for (int i = 0; i < used; i++) per_length[weights[i] > (uint32_t)max_bits ? (uint32_t)max_bits : weights[i]]++;
  /* Codes that were cut to max_bits take more room than there is: others are made longer until all fit. */
  uint32_t total = 0;
  for (int bits = 1; bits <= max_bits; bits++) total += per_length[bits] << (max_bits - bits);
  while (total > UINT32_C(1) << max_bits) {
    per_length[max_bits]--;
    for (int bits = max_bits - 1; bits > 0; bits--) {
      if (per_length[bits] == 0) continue;
      per_length[bits]--;
      per_length[bits + 1] += 2;
      break;
    }
    total--;
  }
  for (int bits = max_bits, i = 0; bits > 0; bits--)
    for (unsigned left = per_length[bits]; left > 0; left--) out->lengths[order[i++] & 0xffff] = (uint8_t)bits;
  for (int bits = 1; bits <= max_bits; bits++) next_code[bits + 1] = (next_code[bits] + per_length[bits]) << 1;
  for (int symbol = 0; symbol < symbols; symbol++) {
    unsigned bits = out->lengths[symbol], value = next_code[bits], reversed = 0;
    if (bits == 0) continue;
    next_code[bits]++;
    for (unsigned i = 0; i < bits; i++) reversed |= (value >> i & 1) << (bits - 1 - i);
    out->bits[symbol] = reversed;
  }
}

/* ---- writing */

static inline void put(writer *out, uint64_t bits, unsigned count) {
  out->held |= bits << out->count;
  out->count += count;
}

/* Leaves fewer than eight bits. Up to eight bytes beyond `at` are written. */
static inline void flush(writer *out) {
  uint64_t word = out->held;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  memcpy(out->at, &word, sizeof word);
  unsigned bytes = out->count >> 3;
  out->at += bytes;
  out->held = bytes == 8 ? 0 : out->held >> (8 * bytes);
  out->count &= 7;
}

typedef struct {
  uint8_t symbols[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
  uint8_t extra[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
  int count;
  int literal_lengths;
  int distance_lengths;
  int order_length;
  code code;
  uint64_t bits;
} header;

static void add_length(header *out, uint32_t *counts, int symbol, int extra) {
  out->symbols[out->count] = (uint8_t)symbol;
  out->extra[out->count++] = (uint8_t)extra;
  counts[symbol]++;
}

/* The code lengths of both codes, run-length coded, with a code of their own. */
static void make_header(const compressor *state, header *out) {
  uint8_t all[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
  uint32_t counts[LENGTH_SYMBOLS] = {0};
  int literals = LITERAL_SYMBOLS, distances = DISTANCE_SYMBOLS;
  while (literals > 257 && state->literals.lengths[literals - 1] == 0) literals--;
  while (distances > 1 && state->distances.lengths[distances - 1] == 0) distances--;
  memcpy(all, state->literals.lengths, (size_t)literals);
  memcpy(all + literals, state->distances.lengths, (size_t)distances);
  int total = literals + distances;
  out->count = 0;
  for (int at = 0; at < total;) {
    int length = all[at], run = 1;
    while (at + run < total && all[at + run] == length) run++;
    at += run;
    if (length == 0) {
      for (; run >= 11; run -= run > 138 ? 138 : run) add_length(out, counts, 18, (run > 138 ? 138 : run) - 11);
      if (run >= 3) {
        add_length(out, counts, 17, run - 3);
        run = 0;
      }
    } else {
      add_length(out, counts, length, 0);
      run--;
      for (; run >= 3; run -= run > 6 ? 6 : run) add_length(out, counts, 16, (run > 6 ? 6 : run) - 3);
    }
    for (; run > 0; run--) add_length(out, counts, length, 0);
  }
  make_code(counts, LENGTH_SYMBOLS, MAX_LENGTH_CODE_BITS, &out->code);
  out->order_length = LENGTH_SYMBOLS;
  while (out->order_length > 4 && out->code.lengths[length_order[out->order_length - 1]] == 0) out->order_length--;
  out->literal_lengths = literals;
  out->distance_lengths = distances;
  out->bits = 3 + 5 + 5 + 4 + 3 * (uint64_t)out->order_length + 2 * (uint64_t)counts[16] + 3 * (uint64_t)counts[17] + 7 * (uint64_t)counts[18];
  for (int symbol = 0; symbol < LENGTH_SYMBOLS; symbol++) out->bits += (uint64_t)counts[symbol] * out->code.lengths[symbol];
}

static uint64_t body_bits(const compressor *state) {
  uint64_t bits = 0;
  for (int symbol = 0; symbol < LITERAL_SYMBOLS; symbol++)
    bits += (uint64_t)state->literal_counts[symbol] * (state->literals.lengths[symbol] + (symbol > END_OF_BLOCK ? length_extra[symbol - 257] : 0u));
  for (int symbol = 0; symbol < DISTANCE_SYMBOLS; symbol++)
    bits += (uint64_t)state->distance_counts[symbol] * (state->distances.lengths[symbol] + distance_extra[symbol]);
  return bits;
}

static void write_header(writer *out, const header *from) {
  static const uint8_t extra_bits[3] = {2, 3, 7};
  put(out, 2 << 1, 3);
  put(out, (uint64_t)(from->literal_lengths - 257), 5);
  put(out, (uint64_t)(from->distance_lengths - 1), 5);
  put(out, (uint64_t)(from->order_length - 4), 4);
  flush(out);
  for (int i = 0; i < from->order_length; i++) {
    put(out, from->code.lengths[length_order[i]], 3);
    flush(out);
  }
  for (int i = 0; i < from->count; i++) {
    unsigned symbol = from->symbols[i];
    put(out, from->code.bits[symbol], from->code.lengths[symbol]);
    if (symbol >= 16) put(out, from->extra[i], extra_bits[symbol - 16]);
    flush(out);
  }
}

static inline const uint8_t *write_literals(writer *out, const code *literals, const uint8_t *at, uint32_t count) {
  for (; count >= 3; count -= 3, at += 3) {
    put(out, literals->bits[at[0]], literals->lengths[at[0]]);
    put(out, literals->bits[at[1]], literals->lengths[at[1]]);
    put(out, literals->bits[at[2]], literals->lengths[at[2]]);
    flush(out);
  }
  for (; count > 0; count--, at++) put(out, literals->bits[*at], literals->lengths[*at]);
  flush(out);
  return at;
}

static void write_body(writer *out, const compressor *state, const uint8_t *at) {
  const code *literals = &state->literals, *distances = &state->distances;
  for (size_t i = 0; i < state->sequence_count; i++) {
    const sequence *next = &state->sequences[i];
    if (next->literals != 0) at = write_literals(out, literals, at, next->literals);
    unsigned length_symbol = length_symbols[next->length], distance = next->distance + 1u, symbol = distance_symbol(distance);
    /* 7 + 15 + 5 + 15 + 13 bits at most. */
    put(out, literals->bits[257 + length_symbol], literals->lengths[257 + length_symbol]);
    put(out, (uint64_t)(next->length - length_base[length_symbol]), length_extra[length_symbol]);
    put(out, distances->bits[symbol], distances->lengths[symbol]);
    put(out, distance - distance_base[symbol], distance_extra[symbol]);
    flush(out);
    at += next->length;
  }
  write_literals(out, literals, at, state->trailing_literals);
  put(out, literals->bits[END_OF_BLOCK], literals->lengths[END_OF_BLOCK]);
  flush(out);
}

/* Ends on a byte boundary. Without bytes it is what joins two pieces. */
static void write_stored(writer *out, const uint8_t *at, size_t length) {
  do {
    size_t part = length > STORED_LIMIT ? STORED_LIMIT : length;
    put(out, 0, 3);
    flush(out);
    if (out->count > 0) put(out, 0, 8 - out->count);
    put(out, part | (part ^ 0xffff) << 16, 32);
    flush(out);
    memcpy(out->at, at, part);
    out->at += part;
    at += part;
    length -= part;
  } while (length > 0);
}

static uint64_t stored_bits(size_t length) {
  return 8 * ((uint64_t)length + 5 * (uint64_t)(length / STORED_LIMIT + 1)) + 8;
}

/* What compress_piece() may write at most. */
static size_t output_bound(size_t length) {
  size_t blocks = length / (MAX_SEQUENCES * MIN_MATCH) + 2;
  return length + blocks * BLOCK_OVERHEAD + 64;
}

static size_t compress_piece(compressor *state, const uint8_t *base, size_t dictionary, size_t length, uint8_t *output) {
  const uint8_t *at = base + dictionary, *end = at + length;
  writer out = {0, 0, output};
  header head;
  for (int i = 0; i < 1 << HASH_BITS; i++) state->places[i] = (uint64_t)(uint32_t)NOWHERE << 32 | (uint32_t)NOWHERE;
  if (dictionary + length >= 8)
    for (size_t place = 0; place < dictionary && place <= dictionary + length - 8; place++) remember(state, base + place, (int32_t)place);
  while (at < end) {
    const uint8_t *next = find_matches(state, base, at, end);
    make_code(state->literal_counts, LITERAL_SYMBOLS, MAX_CODE_BITS, &state->literals);
    make_code(state->distance_counts, DISTANCE_SYMBOLS, MAX_CODE_BITS, &state->distances);
    make_header(state, &head);
    if (head.bits + body_bits(state) < stored_bits((size_t)(next - at))) {
      write_header(&out, &head);
      write_body(&out, state, at);
    } else {
      write_stored(&out, at, (size_t)(next - at));
    }
    at = next;
  }
  write_stored(&out, at, 0);
  return (size_t)(out.at - output);
}

/* ---- the binding */

typedef struct {
  tp_bytes input;
  tp_bytes output;
  size_t dictionary;
  size_t written;
  int error;
  napi_ref pinned[2];
  napi_deferred deferred;
  napi_async_work work;
} deflate_job;

static void run(napi_env env, void *data) {
  (void)env;
  deflate_job *job = data;
  compressor *state = malloc(sizeof *state);
  if (state == NULL) {
    job->error = ENOMEM;
    return;
  }
  job->written = compress_piece(state, job->input.data, job->dictionary, job->input.length - job->dictionary, job->output.data);
  free(state);
}

static void finish(napi_env env, napi_status status, void *data) {
  deflate_job *job = data;
  if (status != napi_ok && job->error == 0) job->error = ECANCELED;
  for (int i = 0; i < 2; i++) napi_delete_reference(env, job->pinned[i]);
  napi_delete_async_work(env, job->work);
  if (job->error != 0) napi_reject_deferred(env, job->deferred, tp_make_error(env, job->error, "deflate", ""));
  else napi_resolve_deferred(env, job->deferred, tp_number(env, (int64_t)job->written));
  free(job);
}

/* deflatePiece(input, dictionaryBytes, output): both buffers are in use until the promise settles. */
static napi_value deflate_piece(napi_env env, napi_callback_info info) {
  napi_value argv[3], name = NULL, promise = NULL;
  tp_bytes input, output;
  int64_t dictionary;
  if (!tp_args(env, info, 3, argv) || !tp_buffer(env, argv[0], &input) || !tp_int64(env, argv[1], &dictionary) || !tp_buffer(env, argv[2], &output)) return NULL;
  if (dictionary < 0 || (uint64_t)dictionary > input.length || input.length > INPUT_LIMIT || output.length < output_bound(input.length - (size_t)dictionary)) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "deflatePiece: a dictionary longer than the input, an input too long, or too small an output");
    return NULL;
  }
  deflate_job *job = calloc(1, sizeof *job);
  if (job == NULL) return tp_throw(env, ENOMEM, "deflate", "");
  job->input = input;
  job->output = output;
  job->dictionary = (size_t)dictionary;
  napi_create_string_utf8(env, "tpod", NAPI_AUTO_LENGTH, &name);
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok || napi_create_reference(env, argv[0], 1, &job->pinned[0]) != napi_ok ||
      napi_create_reference(env, argv[2], 1, &job->pinned[1]) != napi_ok || napi_create_async_work(env, NULL, name, run, finish, job, &job->work) != napi_ok ||
      napi_queue_async_work(env, job->work) != napi_ok) {
    free(job);
    return tp_throw(env, ENOMEM, "deflate", "");
  }
  return promise;
}

static napi_value deflate_bound(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int64_t length;
  if (!tp_args(env, info, 1, argv) || !tp_int64(env, argv[0], &length)) return NULL;
  return tp_number(env, (int64_t)output_bound((size_t)length));
}

void tp_init_deflate(napi_env env, napi_value exports) {
  tp_export(env, exports, "deflatePiece", deflate_piece);
  tp_export(env, exports, "deflateBound", deflate_bound);
}
