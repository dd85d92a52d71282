/*
 * CRC-64/ISO (the one of Go's hash/crc64 with crc64.ISO, reflected, x^64 + x^4 + x^3 + x + 1).
 *
 * The polynomial is so sparse that no table is needed. In the reflected form a right shift multiplies by x, so
 * with x^64 = x^4 + x^3 + x + 1 a whole word is moved on by four shifted copies of itself, and what falls out at the
 * right (x^64 times a small polynomial) comes in again at the left by the same rule. Squaring keeps the number of
 * terms: x^512 = x^32 + x^24 + x^8 + 1, so eight words go side by side, 64 bytes a step, in vector registers.
 */
#include "support.h"

#define LANE_COUNT 8
#define BLOCK_BYTES 64

static inline uint64_t next_word(uint64_t word) {
  uint64_t folded = word ^ (word << 63) ^ (word << 61) ^ (word << 60);
  return folded ^ (folded >> 1) ^ (folded >> 3) ^ (folded >> 4);
}

/* The same for x^512; written so that compilers make vectors of it. */
static inline void next_lanes(uint64_t state[LANE_COUNT], const uint64_t block[LANE_COUNT]) {
  for (int i = 0; i < LANE_COUNT; i++) {
    uint64_t word = state[i];
    uint64_t fallen = (word << 56) ^ (word << 40) ^ (word << 32);
    word ^= (word >> 8) ^ (word >> 24) ^ (word >> 32);
    state[i] = word ^ fallen ^ (fallen >> 1) ^ (fallen >> 3) ^ (fallen >> 4) ^ block[i];
  }
}

static inline void load_block(uint64_t block[LANE_COUNT], const uint8_t *at) {
  for (int i = 0; i < LANE_COUNT; i++) block[i] = tp_load64(at + 8 * i);
}

static const uint8_t *update_blocks(uint64_t *crc, const uint8_t *at, const uint8_t *end) {
  uint64_t state[LANE_COUNT], block[LANE_COUNT];
  load_block(state, at);
  state[0] ^= *crc;
  for (at += BLOCK_BYTES; end - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    load_block(block, at);
    next_lanes(state, block);
  }
  uint64_t value = 0;
  for (int i = 0; i < LANE_COUNT; i++) value = next_word(value ^ state[i]);
  *crc = value;
  return at;
}

static uint64_t update(uint64_t crc, const uint8_t *at, size_t length) {
  const uint8_t *end = at + length;
  if (length >= BLOCK_BYTES) at = update_blocks(&crc, at, end);
  for (; end - at >= 8; at += 8) crc = next_word(crc ^ tp_load64(at));
  for (; at < end; at++) {
    crc ^= *at;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? UINT64_C(0xD800000000000000) : 0);
  }
  return crc;
}

static napi_value crc64_iso(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  tp_bytes state, data;
  if (!tp_args(env, info, 2, argv) || !tp_buffer(env, argv[0], &state) || !tp_buffer(env, argv[1], &data)) return NULL;
  if (state.length != 8) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "crc64Iso: the state has 8 bytes");
    return NULL;
  }
  uint64_t crc = 0;
  for (int i = 0; i < 8; i++) crc = crc << 8 | state.data[i];
  crc = ~update(~crc, data.data, data.length);
  for (int i = 0; i < 8; i++) state.data[i] = (uint8_t)(crc >> (56 - 8 * i));
  return NULL;
}

void tp_init_checksum(napi_env env, napi_value exports) {
  tp_export(env, exports, "crc64Iso", crc64_iso);
}
