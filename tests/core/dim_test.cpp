#include "runtime/core/dim.h"

#include <gtest/gtest.h>

#include <random>

#include "runtime/core/error.h"

namespace vulcap::core {
namespace {

const Dim kA = Dim::symbol("a");
const Dim kB = Dim::symbol("b");
const Dim kPast = Dim::symbol("$past");

TEST(Dim, ConstantsAreNumbers) {
  EXPECT_TRUE(Dim(7).is_constant());
  EXPECT_EQ(Dim(7).value(), 7);
  EXPECT_EQ(Dim(), Dim(0));
  EXPECT_FALSE(kA.is_constant());
  EXPECT_TRUE((kA - kA).is_constant());
  EXPECT_EQ((kA * Dim(0)).value(), 0);
}

TEST(Dim, AddsAndMultipliesLikePolynomials) {
  EXPECT_EQ(kA + kB, kB + kA);
  EXPECT_EQ(kA * kB, kB * kA);
  EXPECT_EQ((kA + kB) * (kA - kB), kA * kA - kB * kB);
  EXPECT_EQ((kA + Dim(1)) * (kA + Dim(1)), kA * kA + Dim(2) * kA + Dim(1));
  EXPECT_EQ(kA * (kB + Dim(3)), kA * kB + Dim(3) * kA);
  EXPECT_NE(kA + Dim(1), kA + Dim(2));
  EXPECT_NE(kA, kB);
}

TEST(Dim, SymbolsAreNames) {
  EXPECT_EQ(Dim::symbol("batch"), Dim::symbol("batch"));
  EXPECT_EQ(symbol_name(intern_symbol("batch")), "batch");
  EXPECT_NE(intern_symbol("batch"), intern_symbol("Batch"));
}

TEST(Dim, DividesExactly) {
  EXPECT_EQ(Dim(12).divide(Dim(4)), Dim(3));
  EXPECT_EQ(Dim(12).divide(Dim(5)), std::nullopt);
  EXPECT_EQ(Dim(12).divide(Dim(0)), std::nullopt);
  EXPECT_EQ(Dim(-12).divide(Dim(4)), Dim(-3));
  EXPECT_EQ(Dim(0).divide(kA), Dim(0));
  EXPECT_EQ((kA * Dim(6)).divide(Dim(2)), kA * Dim(3));
  EXPECT_EQ((kA * Dim(6)).divide(Dim(4)), std::nullopt);
  EXPECT_EQ((kA * kB * kB).divide(kB), kA * kB);
  EXPECT_EQ((kA * kB).divide(kA * kA), std::nullopt);
  EXPECT_EQ((kA * kB + Dim(1)).divide(kA), std::nullopt);
  EXPECT_EQ(kA.divide(kB), std::nullopt);
  EXPECT_EQ(Dim(5).divide(kA), std::nullopt);
  EXPECT_EQ(kA.divide(kA), Dim(1));
  EXPECT_EQ((Dim(64) * (kPast + Dim(1))).divide(Dim(64)), kPast + Dim(1));
}

TEST(Dim, DividesBySums) {
  EXPECT_EQ((kA * kA - kB * kB).divide(kA + kB), kA - kB);
  EXPECT_EQ((kA * kA - kB * kB).divide(kA - kB), kA + kB);
  EXPECT_EQ((kA * kA + kB * kB).divide(kA + kB), std::nullopt);
  EXPECT_EQ(((kPast + Dim(1)) * kA * Dim(12)).divide(kPast + Dim(1)), kA * Dim(12));
  EXPECT_EQ((kPast + Dim(2)).divide(kPast + Dim(1)), std::nullopt);
}

Dim random_polynomial(std::mt19937& random, int terms) {
  const Dim symbols[] = {kA, kB, kPast};
  Dim sum(int64_t(random() % 7) - 3);
  for (int t = 0; t < terms; ++t) {
    Dim term(int64_t(random() % 9) - 4);
    for (uint32_t f = random() % 4; f > 0; --f) term = term * symbols[random() % 3];
    sum = sum + term;
  }
  return sum;
}

TEST(Dim, QuotientsOfProductsAreFound) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    const Dim p = random_polynomial(random, 1 + i % 4);
    const Dim q = random_polynomial(random, 1 + i % 3);
    if (q == Dim(0)) continue;
    ASSERT_EQ((p * q).divide(q), p) << "(" << p.text() << ") * (" << q.text() << ")";
  }
}

TEST(Dim, SubstitutionCommutesWithArithmetic) {
  std::mt19937 random(2);
  for (int i = 0; i < 500; ++i) {
    const Dim p = random_polynomial(random, 3);
    const Dim q = random_polynomial(random, 2);
    const std::map<Symbol, int64_t> all = {
        {intern_symbol("a"), int64_t(random() % 9)}, {intern_symbol("b"), 3}, {intern_symbol("$past"), 11}};
    const auto number = [&](const Dim& dim) { return dim.substitute(all).value(); };
    ASSERT_EQ(number(p + q), number(p) + number(q));
    ASSERT_EQ(number(p - q), number(p) - number(q));
    ASSERT_EQ(number(p * q), number(p) * number(q));
    ASSERT_TRUE(!p.provably_nonnegative() || number(p) >= 0) << p.text();
  }
}

TEST(Dim, SubstitutesSomeSymbols) {
  const Dim size = kA * kB + kPast + Dim(1);
  EXPECT_EQ(size.substitute({{intern_symbol("a"), 4}}), Dim(4) * kB + kPast + Dim(1));
  EXPECT_EQ(size.substitute({{intern_symbol("a"), 0}}), kPast + Dim(1));
  EXPECT_EQ(size.substitute({}), size);
}

TEST(Dim, TellsAffineForms) {
  const Symbol past = intern_symbol("$past");
  using Form = std::pair<int64_t, int64_t>;
  EXPECT_EQ(Dim(5).affine_in(past), Form(5, 0));
  EXPECT_EQ((kPast + Dim(1)).affine_in(past), Form(1, 1));
  EXPECT_EQ((Dim(3) - kPast * Dim(2)).affine_in(past), Form(3, -2));
  EXPECT_EQ((kPast * kPast).affine_in(past), std::nullopt);
  EXPECT_EQ((kPast + kA).affine_in(past), std::nullopt);
  EXPECT_EQ((kPast * kA).affine_in(past), std::nullopt);
  EXPECT_EQ(kA.affine_in(past), std::nullopt);
}

TEST(Dim, KnowsSigns) {
  EXPECT_TRUE(Dim(0).provably_nonnegative());
  EXPECT_TRUE((kA + kB * Dim(2)).provably_nonnegative());
  EXPECT_FALSE((kA - Dim(1)).provably_nonnegative());
  EXPECT_FALSE((kA - kB).provably_nonnegative());
  EXPECT_FALSE(Dim(-1).provably_nonnegative());
}

TEST(Dim, TextIsReadBack) {
  EXPECT_EQ(Dim(-3).text(), "-3");
  EXPECT_EQ((kPast + Dim(1)).text(), "$past + 1");
  EXPECT_EQ((Dim(0) - kA).text(), "-a");
  EXPECT_EQ((kA * kB * Dim(2) - kA - Dim(7)).text(), "2*a*b - a - 7");
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    const Dim dim = random_polynomial(random, 1 + i % 5);
    ASSERT_EQ(Dim::parse(dim.text()), dim) << dim.text();
  }
}

TEST(Dim, ParsesWhatExportersWrite) {
  EXPECT_EQ(Dim::parse("past_sequence_length + 1"), Dim::symbol("past_sequence_length") + Dim(1));
  EXPECT_EQ(Dim::parse("  2 * a*b "), kA * kB * Dim(2));
  EXPECT_EQ(Dim::parse("-a+3"), Dim(3) - kA);
  EXPECT_EQ(Dim::parse("encoder/Concat.dim2"), Dim::symbol("encoder/Concat.dim2"));
  EXPECT_EQ(Dim::parse("17"), Dim(17));
}

TEST(Dim, RefusesOtherText) {
  for (const char* text : {"", " ", "a +", "+ a", "a b", "3a", "a**b", "(a)", "a/2)", "99999999999999999999",
                           "a*-1", "-", "a;"}) {
    try {
      const Dim dim = Dim::parse(text);
      ADD_FAILURE() << "'" << text << "' was read as " << dim.text();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
      EXPECT_NE(error.message().find(std::string("'") + text + "'"), std::string::npos) << error.message();
    }
  }
}

// Sizes come out of files: a product that does not fit must be refused, not wrapped (undefined in C++).
TEST(Dim, OverflowIsRefused) {
  EXPECT_THROW(Dim::parse("9223372036854775807 + 1"), Error);
  EXPECT_THROW(Dim::parse("4294967296*4294967296*a"), Error);
  EXPECT_THROW(product({Dim(int64_t(1) << 40), Dim(int64_t(1) << 40)}), Error);
}

TEST(SymShape, ProductsAndText) {
  const SymShape shape{kA, Dim(3), kPast + Dim(1)};
  EXPECT_EQ(product(shape), Dim(3) * kA * (kPast + Dim(1)));
  EXPECT_EQ(product(shape, 1, 2), Dim(3));
  EXPECT_EQ(product(shape, 3), Dim(1));
  EXPECT_EQ(product({}), Dim(1));
  EXPECT_EQ(shape_text(shape), "[a,3,$past + 1]");
  EXPECT_FALSE(is_static(shape));
  EXPECT_TRUE(is_static({Dim(2)}));
  EXPECT_TRUE(is_static({}));
}

}  // namespace
}  // namespace vulcap::core
