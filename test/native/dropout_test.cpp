// Dropout's mask: that it is as random as its statistics say, and a function of (seed, epoch, layer, site, text,
// token, feature) and of nothing else. Seeds are fixed, so these tests pass or fail for good: a limit of 5 standard
// errors is not a matter of luck. That forward and backward use the mask of kernels/mask.h is in kernels_*_test.cpp.
#include <map>

#include "cpu/packed_batch.h"
#include "kernels_reference.h"
#include "nn/dropout_plan.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

using Site = DropoutPlan::Site;

/// 1 where an element is kept.
using Mask = std::vector<uint8_t>;

struct IndexedText {
  int32_t index;
  int64_t length;
};

constexpr int64_t kTokens = 50, kWidth = 800;

/// 25 texts of 50 tokens: 10⁶ elements at 800 features.
std::vector<IndexedText> million(int32_t first = 0) {
  std::vector<IndexedText> texts;
  for (int32_t i = 0; i < 25; ++i) texts.push_back({first + i, kTokens});
  return texts;
}

/// Packs the texts as a step does and hands the rows to `use` on the engine's thread.
template <typename Use>
auto packed(const std::vector<IndexedText>& texts, int threads, Use use) {
  return with_threads(threads, [&] {
    int64_t longest = 0;
    for (const IndexedText& t : texts) longest = std::max(longest, t.length);
    const std::vector<int32_t> ids(longest);
    PackedBatch batch;
    EncoderSpec spec;
    spec.architecture = &architecture("bert");
    batch.pack({static_cast<int64_t>(texts.size()),
                [&](int64_t i) { return vectune::Text{ids.data(), texts[i].length, texts[i].index}; }},
               spec, 16);
    return use(batch.rows());
  });
}

/// Reads a mask off what a kernel made of ones; checks that it holds 0 and 1/(1−p) only.
template <typename T>
Mask read(const T* values, int64_t count, double scale) {
  Mask mask(count);
  bool pure = true;
  for (int64_t i = 0; i < count; ++i) {
    mask[i] = values[i] != 0;
    pure = pure && (values[i] == 0 || std::abs(values[i] - scale) < 1e-6 * scale);
  }
  CHECK(pure);
  return mask;
}

/// The mask of features of rows: `sum` of the residual norm where branch is 1, bias and residual 0.
Mask hidden_mask(const kernels::Dropout& dropout, const std::vector<IndexedText>& texts, int64_t width = kWidth,
                 int threads = 1, SimdLevel level = kernels::simd_level()) {
  return packed(texts, threads, [&](const kernels::Rows& rows) {
    const std::vector<float> ones(rows.padded * width, 1.0f), zeros(rows.padded * width);
    std::vector<float> sum(rows.rows * width), stats(2 * rows.rows), y(rows.padded * width);
    kernels::table(level).fp32.residual_norm_forward({rows, width, ones.data(), zeros.data(), zeros.data(), ones.data(),
                                                      zeros.data(), 1.0f, dropout, sum.data(), stats.data(), y.data(),
                                                      nullptr});
    return read(sum.data(), rows.rows * width, dropout.scale);
  });
}

/// The same through the embedding's norm with γ = 0 and β = 1.
Mask embedding_mask(const kernels::Dropout& dropout, const std::vector<IndexedText>& texts, int64_t width,
                    SimdLevel level) {
  return packed(texts, 2, [&](const kernels::Rows& rows) {
    const std::vector<float> table(512 * width), gamma(width), beta(width, 1.0f);
    std::vector<float> y(rows.padded * width);
    kernels::table(level).fp32.embedding_forward({rows, width, table.data(), table.data(), nullptr, gamma.data(),
                                                  beta.data(), 1.0f, dropout, nullptr, nullptr, y.data(), nullptr});
    return read(y.data(), rows.rows * width, dropout.scale);
  });
}

/// The mask of attention's probabilities, [rows × heads × keys]: with queries and keys 0 each is 1/tokens, and values
/// that are unit vectors show them one by one. All texts have `tokens` tokens.
Mask attention_mask(const kernels::Dropout& dropout, const std::vector<IndexedText>& texts, int64_t heads,
                    int threads = 1) {
  constexpr int64_t kSize = 64;
  const int64_t tokens = texts[0].length, hidden = heads * kSize;
  return packed(texts, threads, [&](const kernels::Rows& rows) {
    const int64_t stride = kernels::attention_scratch(tokens, kSize);
    std::vector<float> scratch(threads * stride), out(rows.padded * hidden), all(rows.rows * heads * tokens);
    const std::vector<float> bias(3 * hidden);
    for (int64_t first = 0; first < tokens; first += kSize) {
      const int64_t shown = std::min(kSize, tokens - first);
      std::vector<float> qkv(rows.padded * 3 * hidden);
      for (int64_t t = 0; t < rows.texts; ++t)
        for (int64_t j = 0; j < shown; ++j)
          for (int64_t h = 0; h < heads; ++h)
            qkv[(rows.starts[t] + first + j) * 3 * hidden + 2 * hidden + h * kSize + j] = 1.0f;
      kernels::table().fp32.attention_forward(
          {rows, heads, kSize, qkv.data(), bias.data(), dropout, out.data(), nullptr, scratch.data(), stride});
      for (int64_t r = 0; r < rows.rows; ++r)
        for (int64_t h = 0; h < heads; ++h)
          for (int64_t j = 0; j < shown; ++j)
            all[(r * heads + h) * tokens + first + j] = out[r * hidden + h * kSize + j] * static_cast<float>(tokens);
    }
    return read(all.data(), static_cast<int64_t>(all.size()), dropout.scale);
  });
}

/// Correlation of two masks in standard errors: N(0, 1) where they are independent.
double correlation(const Mask& a, const Mask& b, double p) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - (1 - p)) * (b[i] - (1 - p));
  return sum / (p * (1 - p)) / std::sqrt(static_cast<double>(a.size()));
}

/// Correlation of elements of one mask [rows × width] that lie so many rows and features apart.
double correlation(const Mask& m, int64_t width, int64_t rows_apart, int64_t features_apart, double p) {
  Mask a, b;
  const auto rows = static_cast<int64_t>(m.size()) / width;
  for (int64_t r = 0; r + rows_apart < rows; ++r)
    for (int64_t c = 0; c + features_apart < width; ++c) {
      a.push_back(m[r * width + c]);
      b.push_back(m[(r + rows_apart) * width + c + features_apart]);
    }
  return correlation(a, b, p);
}

void check_uncorrelated(double standard_errors, const std::string& what) {
  test::report(std::abs(standard_errors) < 5, __FILE__, __LINE__,
               what + " correlate: " + test::text(standard_errors) + " standard errors");
}

/// No two of the named masks correlate.
void check_pairs(const std::map<std::string, Mask>& masks, double p) {
  for (auto a = masks.begin(); a != masks.end(); ++a)
    for (auto b = std::next(a); b != masks.end(); ++b)
      check_uncorrelated(correlation(a->second, b->second, p), a->first + " and " + b->first);
}

/// Counts of kept elements, each of `of`, vary as binomial counts do: Σ (k − n·q)²/(n·q·p) is χ² with a degree of
/// freedom for each count, of mean N and standard deviation √(2N).
void check_binomial(const std::vector<double>& counts, int64_t of, double p, const std::string& what) {
  const double n = static_cast<double>(counts.size()), expected = of * (1 - p);
  double chi = 0;
  for (const double k : counts) chi += (k - expected) * (k - expected) / (expected * p);
  const double off = (chi - n) / std::sqrt(2 * n);
  test::report(std::abs(off) < 5, __FILE__, __LINE__,
               what + ": variance of counts is off by " + test::text(off) + " standard errors");
}

DropoutPlan plan_of(float p, uint32_t seed = 1, uint32_t epoch = 0) { return {p, p, p, seed, epoch}; }

/// The elements of one text out of a mask of many.
Mask part_of(const Mask& mask, const std::vector<IndexedText>& texts, size_t which, int64_t width) {
  int64_t row = 0;
  for (size_t i = 0; i < which; ++i) row += texts[i].length;
  return Mask(mask.begin() + row * width, mask.begin() + (row + texts[which].length) * width);
}

}  // namespace

TEST(dropout_plan_gives_every_site_its_probability) {
  const DropoutPlan distil{0.1f, 0.2f, 0.0f, 3, 4};
  CHECK(!distil.at(0, Site::kAttentionOut).on());
  for (const auto& [site, p] : {std::pair{Site::kEmbedding, 0.1f}, {Site::kOutput, 0.1f}, {Site::kAttention, 0.2f}}) {
    const kernels::Dropout d = distil.at(1, site);
    CHECK(d.on());
    CHECK_EQ(d.threshold, static_cast<uint32_t>(std::llround(double{p} * 4294967296.0)));
    CHECK_EQ(d.scale, 1.0f / (1.0f - p));
  }
  for (const Site site : {Site::kEmbedding, Site::kAttention, Site::kAttentionOut, Site::kOutput})
    CHECK(!DropoutPlan{}.at(0, site).on());
  const Mask all = hidden_mask(DropoutPlan{}.at(0, Site::kOutput), {{0, 20}}, 100);
  CHECK(all == Mask(2000, 1));
}

TEST(dropout_drops_an_element_whose_hash_is_below_the_threshold_and_only_then) {
  // the hash of one element as threshold keeps it, one more drops it
  const uint64_t key = 99, row_key = 7ull << 32 | 3;
  const auto row = static_cast<uint32_t>(mix64(key ^ mix64(row_key)) >> 16);
  for (const int64_t feature : {0, 5, 16, 43}) {
    const uint32_t hash = mix32(static_cast<uint32_t>(feature) * 0x9e3779b9u + row);
    for (const uint32_t more : {0u, 1u})
      for (const SimdLevel level : levels()) {
        const Mask mask = hidden_mask({key, hash + more, 2.0f}, {{7, 4}}, 44, 1, level);
        CHECK_EQ(int{mask[3 * 44 + feature]}, more == 0 ? 1 : 0);
      }
  }
}

TEST(dropout_keeps_the_share_that_it_should) {
  for (const float p : {0.1f, 0.5f, 0.9f})
    for (const uint32_t seed : {0u, 1u, 42u, 4294967295u}) {
      const Mask mask = hidden_mask(plan_of(p, seed).at(2, Site::kOutput), million());
      REQUIRE(mask.size() == 1000000);
      double kept = 0;
      for (const uint8_t m : mask) kept += m;
      const double off = (kept / 1e6 - (1.0 - p)) / std::sqrt(p * (1.0 - p) / 1e6);
      test::report(std::abs(off) < 5, __FILE__, __LINE__,
                   "the share kept is off by " + test::text(off) + " standard errors at p = " + test::text(p));
    }
}

TEST(dropout_counts_of_rows_features_and_texts_are_binomial) {
  for (const float p : {0.1f, 0.5f}) {
    const Mask mask = hidden_mask(plan_of(p).at(0, Site::kAttentionOut), million());
    std::vector<double> rows(25 * kTokens), features(kWidth), texts(25), vectors(25 * kTokens * kWidth / 16);
    for (int64_t i = 0; i < 1000000; ++i) {
      rows[i / kWidth] += mask[i];
      features[i % kWidth] += mask[i];
      texts[i / (kWidth * kTokens)] += mask[i];
      vectors[i / 16] += mask[i];
    }
    check_binomial(rows, kWidth, p, "rows");
    check_binomial(features, 25 * kTokens, p, "features");
    check_binomial(texts, kWidth * kTokens, p, "texts");
    check_binomial(vectors, 16, p, "vectors");
  }
}

TEST(dropout_neighbours_do_not_correlate) {
  for (const float p : {0.1f, 0.5f}) {
    const Mask mask = hidden_mask(plan_of(p, 7).at(1, Site::kOutput), million());
    for (const int64_t features : {1, 2, 3, 4, 8, 15, 16, 17, 32, 64, 256})
      check_uncorrelated(correlation(mask, kWidth, 0, features, p), "features " + std::to_string(features) + " apart");
    for (const int64_t tokens : {1, 2, 3})  // across the borders of texts too
      check_uncorrelated(correlation(mask, kWidth, tokens, 0, p), "tokens " + std::to_string(tokens) + " apart");
    for (const int64_t texts : {1, 2})
      check_uncorrelated(correlation(mask, kWidth, texts * kTokens, 0, p), "texts " + std::to_string(texts) + " apart");
    check_uncorrelated(correlation(mask, kWidth, 1, 1, p), "the next token's next feature");
  }
}

TEST(dropout_layers_sites_epochs_and_seeds_do_not_correlate) {
  for (const float p : {0.1f, 0.5f}) {
    std::map<std::string, Mask> masks;
    const auto add = [&](const std::string& name, const DropoutPlan& plan, int64_t layer, Site site) {
      masks[name] = hidden_mask(plan.at(layer, site), million());
    };
    for (int64_t layer = 0; layer < 3; ++layer) {
      const std::string of = " of layer " + std::to_string(layer);
      add("attention" + of, plan_of(p), layer, Site::kAttention);
      add("attention out" + of, plan_of(p), layer, Site::kAttentionOut);
      add("output" + of, plan_of(p), layer, Site::kOutput);
    }
    add("embedding", plan_of(p), 0, Site::kEmbedding);
    add("output in epoch 1", plan_of(p, 1, 1), 0, Site::kOutput);
    add("output in epoch 2", plan_of(p, 1, 2), 0, Site::kOutput);
    add("output with seed 0", plan_of(p, 0), 0, Site::kOutput);
    add("output with seed 2", plan_of(p, 2), 0, Site::kOutput);
    add("output with seed 2 in epoch 1", plan_of(p, 2, 1), 0, Site::kOutput);
    masks["output of other texts"] = hidden_mask(plan_of(p).at(0, Site::kOutput), million(25));
    check_pairs(masks, p);
  }
}

TEST(dropout_keys_of_a_run_are_all_different) {
  std::vector<uint64_t> keys;
  for (uint32_t seed = 0; seed < 5; ++seed)
    for (uint32_t epoch = 0; epoch < 50; ++epoch)
      for (int64_t layer = 0; layer < 24; ++layer)
        for (const Site site : {Site::kEmbedding, Site::kAttention, Site::kAttentionOut, Site::kOutput})
          keys.push_back(plan_of(0.1f, seed, epoch).at(layer, site).key);
  std::sort(keys.begin(), keys.end());
  CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
}

TEST(dropout_heads_queries_and_keys_of_attention_do_not_correlate) {
  constexpr int64_t kHeads = 4, kLength = 128, kRow = kHeads * kLength;
  std::vector<IndexedText> texts;
  for (int32_t i = 0; i < 16; ++i) texts.push_back({i, kLength});
  for (const float p : {0.1f, 0.5f}) {
    const Mask mask = attention_mask(plan_of(p).at(1, Site::kAttention), texts, kHeads);
    REQUIRE(mask.size() == 16 * kLength * kRow);
    double kept = 0;
    std::vector<double> rows(mask.size() / kLength);
    std::map<std::string, Mask> heads;
    for (size_t i = 0; i < mask.size(); ++i) {
      kept += mask[i];
      rows[i / kLength] += mask[i];
      heads["head " + std::to_string(i / kLength % kHeads)].push_back(mask[i]);
    }
    const double n = static_cast<double>(mask.size());
    CHECK(std::abs(kept / n - (1.0 - p)) < 5 * std::sqrt(p * (1.0 - p) / n));
    check_binomial(rows, kLength, p, "rows of attention");
    check_pairs(heads, p);
    check_uncorrelated(correlation(mask, kRow, 1, 0, p), "neighbouring queries");
    check_uncorrelated(correlation(mask, kRow, kLength, 0, p), "neighbouring texts");
    check_uncorrelated(correlation(mask, kLength, 0, 1, p), "neighbouring keys");
    // (i, j) and (j, i)
    Mask one, other;
    for (int64_t text = 0; text < 16; ++text)
      for (int64_t i = 0; i < kLength; ++i)
        for (int64_t j = 0; j < i; ++j) {
          one.push_back(mask[(text * kLength + i) * kRow + j]);
          other.push_back(mask[(text * kLength + j) * kRow + i]);
        }
    check_uncorrelated(correlation(one, other, p), "a key and its query");
  }
}

TEST(dropout_of_a_text_does_not_depend_on_its_place_neighbours_batch_or_threads) {
  constexpr int64_t kSmall = 100;
  const std::vector<IndexedText> texts{{9, 33}, {2, 1}, {700, 64}, {0, 17}, {INT32_MAX, 5}, {3, 128}};
  const kernels::Dropout dropout = plan_of(0.3f, 5, 6).at(2, Site::kAttentionOut);
  const Mask together = hidden_mask(dropout, texts, kSmall);
  const auto same = [&](const std::vector<IndexedText>& other, int threads) {
    const Mask mask = hidden_mask(dropout, other, kSmall, threads);
    for (size_t i = 0; i < other.size(); ++i)
      for (size_t k = 0; k < texts.size(); ++k)
        if (texts[k].index == other[i].index)
          CHECK(part_of(mask, other, i, kSmall) == part_of(together, texts, k, kSmall));
  };
  for (const int threads : {1, 2, 3}) {
    same(texts, threads);
    same({texts.rbegin(), texts.rend()}, threads);
    same({{8, 40}, texts[3], {10, 7}, texts[0], texts[5]}, threads);                        // other neighbours
    for (const IndexedText& text : texts) same({text}, threads);                            // micro-batches of one
    for (size_t i = 0; i + 1 < texts.size(); ++i) same({texts[i], texts[i + 1]}, threads);  // and of two
  }
  // attention's too: texts of one length, in both orders, alone, with other threads
  const std::vector<IndexedText> equal{{9, 33}, {2, 33}, {INT32_MAX, 33}};
  const Mask attention = attention_mask(dropout, equal, 3);
  for (const int threads : {1, 2}) {
    const Mask backwards = attention_mask(dropout, {equal[2], equal[1], equal[0]}, 3, threads);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(part_of(backwards, equal, 2 - i, 99) == part_of(attention, equal, i, 99));
      CHECK(attention_mask(dropout, {equal[i]}, 3, threads) == part_of(attention, equal, i, 99));
    }
  }
}

TEST(dropout_of_a_token_does_not_depend_on_the_texts_length) {
  const kernels::Dropout dropout = plan_of(0.3f).at(0, Site::kOutput);
  const Mask longer = hidden_mask(dropout, {{4, 60}}, 100), shorter = hidden_mask(dropout, {{4, 20}}, 100);
  CHECK(shorter == Mask(longer.begin(), longer.begin() + 2000));
}

TEST(dropout_is_the_same_at_every_level_and_site_of_one_key) {
  const std::vector<IndexedText> texts{{0, 70}, {1, 3}, {5, 31}};
  for (const int64_t width : {44, 64, 100}) {
    const kernels::Dropout dropout = plan_of(0.1f, 11).at(0, Site::kEmbedding);
    const Mask plain = hidden_mask(dropout, texts, width, 1, SimdLevel::kPlain);
    for (const SimdLevel level : levels()) {
      CHECK(hidden_mask(dropout, texts, width, 2, level) == plain);
      CHECK(embedding_mask(dropout, texts, width, level) == plain);
    }
    // and what the hash in mask.h says
    Mask scalar;
    for (const IndexedText& text : texts)
      for (int64_t token = 0; token < text.length; ++token) {
        const uint64_t row_key = static_cast<uint64_t>(text.index) << 32 | static_cast<uint64_t>(token);
        for (int64_t c = 0; c < width; ++c) scalar.push_back(kept(dropout, row_key, c) != 0);
      }
    CHECK(scalar == plain);
  }
}

TEST(dropout_differs_in_seed_epoch_layer_site_text_and_token) {
  // each coordinate alone changes the mask, and the same ones give it again
  const auto mask = [](uint32_t seed, uint32_t epoch, int64_t layer, Site site, int32_t text) {
    return hidden_mask(plan_of(0.5f, seed, epoch).at(layer, site), {{text, 4}}, 64);
  };
  const Mask base = mask(1, 2, 3, Site::kOutput, 4);
  CHECK(base == mask(1, 2, 3, Site::kOutput, 4));
  CHECK(base != mask(2, 2, 3, Site::kOutput, 4));
  CHECK(base != mask(1, 3, 3, Site::kOutput, 4));
  CHECK(base != mask(2, 1, 3, Site::kOutput, 4));
  CHECK(base != mask(1, 2, 4, Site::kOutput, 4));
  CHECK(base != mask(1, 2, 3, Site::kAttentionOut, 4));
  CHECK(base != mask(1, 2, 3, Site::kOutput, 5));
  for (int64_t token = 1; token < 4; ++token)
    CHECK(!std::equal(base.begin(), base.begin() + 64, base.begin() + 64 * token));
}
