// What the attention shaders share: operands, which keys a query sees, and the score of one. kFlags are
// AttentionParams' flags as a constant, kDynamic says that the number of keys follows the state.
layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 3) const bool kDynamic = false;
layout(push_constant) uniform Push { AttentionParams p; };
READONLY(0, STORE, q);
READONLY(1, STORE, k);
READONLY(2, STORE, v);
READONLY(3, STORE, mask);
READONLY(4, int, rows);
BUFFER(5, STORE, o);
READONLY(6, int, lengths);
READONLY(7, uint, state);

// Keys [first_key, end) may be seen by one of `count` queries from `first` on. Of a query i, keys
// [i + last - window, i + last] are in sight.
struct Sight {
  uint first_key, end;
  int last;
};

Sight sight_of(uint batch, uint first, uint count) {
  Sight s;
  s.end = p.kv_len;
  if (kDynamic) s.end += p.kv_len_dyn * state.data[0];
  s.last = int(s.end) - int(p.new_keys);
  if ((kFlags & kAttentionLengths) != 0) {
    s.end = min(s.end, uint(max(lengths.data[batch], 0)));
    if ((kFlags & kAttentionCausalLengths) != 0) s.last = int(s.end) - int(p.new_keys);
  }
  s.first_key = 0;
  if ((kFlags & kAttentionCausal) != 0) {
    int end = int(min(first + count, p.q_len)) + s.last;
    s.end = min(s.end, uint(max(end, 0)));
    if (p.window > 0) s.first_key = uint(max(int(first) + s.last + 1 - int(p.window), 0));
  }
  return s;
}

// The row of the cache that holds a key; negative for one that is hidden.
int key_row_of(uint batch, uint key) {
  return (kFlags & kAttentionRows) != 0 ? rows.data[batch * p.batch_step + key] : int(batch / p.batch_step);
}

uint k_row(uint key_batch, uint kv_head, uint key) {
  return p.k_offset + key_batch * p.k_b + kv_head * p.k_h + key * p.k_s;
}

uint v_row(uint key_batch, uint kv_head, uint key) {
  return p.v_offset + key_batch * p.v_b + kv_head * p.v_h + key * p.v_s;
}

// The score that enters the softmax, from the dot product; minus infinity for a key out of sight.
float score_of(float product, uint batch, uint head, uint query, uint key, int last) {
  float s = product * p.scale;
  if (p.softcap > 0.0) s = p.softcap * tanh(clamp(s / p.softcap, -15.0, 15.0));
  if ((kFlags & kAttentionMask) != 0)
    s += float(mask.data[batch * p.mask_b + head * p.mask_h + query * p.mask_q + key]);
  if ((kFlags & kAttentionCausal) != 0) {
    int ahead = int(query) + last - int(key);
    if (ahead < 0 || (p.window != 0 && ahead >= int(p.window))) s = -VC_INFINITY;
  }
  return s;
}
