// SPDX-License-Identifier: MIT
// What may be memoized, what may be handed to it, and what comes back.
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/memoize.hpp"

namespace elsewhere {

struct Place {
  int postcode;
  bool operator==(const Place&) const = default;
};

// Names that are found through a Place, and take whatever comes.
template <class... T>
int coalesce(T&&...) {
  return 0;
}
template <class... T>
int refresh_flight(T&&...) {
  return 0;
}

}  // namespace elsewhere

template <>
struct std::hash<elsewhere::Place> {
  std::size_t operator()(const elsewhere::Place& place) const {
    return static_cast<std::size_t>(place.postcode);
  }
};

namespace dcache {
namespace {

using namespace std::chrono_literals;

// How many calls of `function` ran its body.
template <class S>
std::uint64_t bodies(const Memoized<S>& function) {
  return function.stats().misses;
}

// True: the body runs once for each of these values, and is found again for each.
template <class T>
::testing::AssertionResult are_told_apart(const std::vector<T>& values) {
  const auto function = memoize([](const T&) { return 1; });
  for (int round = 0; round < 2; ++round) {
    for (const T& value : values) function(value);
  }
  if (bodies(function) == values.size()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << bodies(function) << " bodies ran for " << values.size() << " values";
}

// --- Callables ---

int twice(int number) { return 2 * number; }
int twice_noexcept(int number) noexcept { return 2 * number; }

TEST(MemoizeCallable, AFunctionRunsOnceForEachArgument) {
  const auto function = memoize(twice);

  EXPECT_EQ(function(3), 6);
  EXPECT_EQ(function(3), 6);
  EXPECT_EQ(function(4), 8);
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeCallable, MayBeAPointerToAFunctionThatThrowsNothing) {
  const auto function = memoize("twice", &twice_noexcept);

  EXPECT_EQ(function(3), 6);
  EXPECT_EQ(function(3), 6);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeCallable, MayBeAnObjectWithAConstCallOperator) {
  struct Adder {
    int operator()(int number) const noexcept { return number + more; }
    int more;
  };
  const auto function = memoize(Adder{10});

  EXPECT_EQ(function(3), 13);
  EXPECT_EQ(function(3), 13);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeCallable, MayHaveAStateThatItChanges) {
  const auto function = memoize([calls = 0](int) mutable { return ++calls; });

  EXPECT_EQ(function(3), 1);
  EXPECT_EQ(function(3), 1);
  EXPECT_EQ(function(4), 2);
}

TEST(MemoizeCallable, MayBeAStdFunction) {
  const auto function = memoize(std::function<int(int)>(twice));

  EXPECT_EQ(function(3), 6);
  EXPECT_EQ(function(3), 6);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeCallable, MayBeSomethingThatCannotBeCopied) {
  const auto function = memoize([more = std::make_unique<int>(10)](int n) { return n + *more; });

  EXPECT_EQ(function(3), 13);
  EXPECT_EQ(function(3), 13);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeCallable, MayBeAGenericLambdaWithASignature) {
  const auto twice_anything = [](const auto& value) { return value + value; };
  const auto numbers = memoize<int(int)>(twice_anything);
  const auto texts = memoize<std::string(std::string)>("texts", twice_anything);

  EXPECT_EQ(numbers(3), 6);
  EXPECT_EQ(numbers(3), 6);
  EXPECT_EQ(texts("ab"), "abab");
  EXPECT_EQ(texts("ab"), "abab");
  EXPECT_EQ(bodies(numbers), 1);
  EXPECT_EQ(bodies(texts), 1);
}

int thrice(int number) { return 3 * number; }
double thrice(double number) noexcept { return 3 * number; }

TEST(MemoizeCallable, MayBeAFunctionWithOverloadsWithASignature) {
  const auto whole = memoize<int(int)>(thrice);
  const auto broken = memoize<double(double)>("thrice", &thrice, {.max_entries = 5});

  EXPECT_EQ(whole(3), 9);
  EXPECT_EQ(whole(3), 9);
  EXPECT_EQ(broken(0.5), 1.5);
  EXPECT_EQ(bodies(whole), 1);
}

TEST(MemoizeCallable, MayTakeNoArguments) {
  const auto function = memoize([] { return 42; });

  EXPECT_EQ(function(), 42);
  EXPECT_EQ(function(), 42);
  EXPECT_EQ(function.peek(), 42);
  EXPECT_TRUE(function.invalidate());
  EXPECT_EQ(function(), 42);
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeCallable, MayTakeManyArgumentsAndTheirOrderCounts) {
  const auto function = memoize([](int a, long b, char c, double d, bool e, const std::string& f,
                                   unsigned g, short h, std::string_view i, float j) {
    return a + b + c + static_cast<long>(d) + e + static_cast<long>(f.size()) + g + h +
           static_cast<long>(i.size()) + static_cast<long>(j);
  });

  EXPECT_EQ(function(1, 2, 3, 4, true, "six", 7, 8, "nine", 10),
            1 + 2 + 3 + 4 + 1 + 3 + 7 + 8 + 4 + 10);
  EXPECT_EQ(function(1, 2, 3, 4, true, "six", 7, 8, "nine", 10),
            function(1, 2, 3, 4, true, "six", 7, 8, "nine", 10));
  function(2, 1, 3, 4, true, "six", 7, 8, "nine", 10);
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeCallable, TwoFunctionsOfOneTypeNeverShareAResult) {
  std::vector<Memoized<int(int)>> functions;
  for (int more : {1, 2}) functions.push_back(memoize([more](int n) { return n + more; }));
  const auto add_three = memoize("same name", +[](int n) { return n + 3; });
  const auto add_four = memoize("same name", +[](int n) { return n + 4; });

  EXPECT_EQ(functions[0](1), 2);
  EXPECT_EQ(functions[1](1), 3);
  EXPECT_EQ(add_three(1), 4);
  EXPECT_EQ(add_four(1), 5);
}

TEST(MemoizeCallable, CopiesShareWhatIsRemembered) {
  const auto function = memoize(twice);
  const auto copy = function;
  const std::function<int(int)> another = function;

  function(3);
  copy(3);
  another(3);
  EXPECT_EQ(bodies(function), 1);
  copy.invalidate(3);
  function(3);
  EXPECT_EQ(bodies(copy), 2);
}

TEST(MemoizeCallable, StaysWhatItIsWhenItWasMovedFrom) {
  auto function = memoize(twice);
  const auto other = std::move(function);

  EXPECT_EQ(other(3), 6);
  EXPECT_EQ(function(3), 6);  // NOLINT(bugprone-use-after-move): what the test is about.
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeCallable, MayCallItself) {
  std::function<long(int)> fibonacci;
  int runs = 0;
  const auto remembered = memoize([&](int n) {
    ++runs;
    return n < 2 ? long{n} : fibonacci(n - 1) + fibonacci(n - 2);
  });
  fibonacci = remembered;

  EXPECT_EQ(fibonacci(80), 23416728348467685);
  EXPECT_EQ(runs, 81);
}

TEST(MemoizeCallable, ComputesThroughWhereItCallsItselfWithTheSameArguments) {
  std::function<int(int)> again;
  int depth = 0;
  const auto function = memoize([&](int n) { return ++depth < 3 ? again(n) + 1 : 0; });
  again = function;

  EXPECT_EQ(function(7), 2);
  EXPECT_EQ(bodies(function), 3);
  EXPECT_EQ(function(7), 2);
  EXPECT_EQ(bodies(function), 3);
}

// --- Arguments ---

TEST(MemoizeArgument, OfAReferenceIsKeptByValue) {
  const auto function = memoize([](const std::string& text) { return text.size(); });
  std::string text = "a text too long to be kept inside of a string";

  function(text);
  text[0] = 'A';
  function(text);
  function("a text too long to be kept inside of a string");
  function("A text too long to be kept inside of a string");
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeArgument, OfAStringViewIsKeptByValue) {
  const auto function = memoize([](std::string_view text) { return std::string(text); });
  auto original = std::make_unique<std::string>("a text too long to be kept inside of a string");

  function(*original);
  original->assign(original->size(), '?');
  original.reset();
  EXPECT_EQ(function("a text too long to be kept inside of a string"),
            "a text too long to be kept inside of a string");
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeArgument, OfAViewOfWideTextIsKeptByValue) {
  const auto function = memoize([](std::wstring_view text) { return text.size(); });
  auto original = std::make_unique<std::wstring>(L"a text too long to be kept inside of a string");

  function(*original);
  original->assign(original->size(), L'?');
  original.reset();
  EXPECT_EQ(function(L"a text too long to be kept inside of a string"), 45);
  EXPECT_EQ(function(L"short"), 5);
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeArgument, OfACStringCountsByItsText) {
  const auto function = memoize([](const char* text) { return text == nullptr ? -1 : text[0]; });
  char text[] = "some text";

  EXPECT_EQ(function(text), 's');
  EXPECT_EQ(function("some text"), 's');
  text[0] = 'S';
  EXPECT_EQ(function(text), 'S');
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeArgument, OfANullCStringIsAValueOfItsOwn) {
  const auto function = memoize([](const char* text) { return text == nullptr ? -1 : text[0]; });

  EXPECT_EQ(function(nullptr), -1);
  EXPECT_EQ(function(""), 0);
  EXPECT_EQ(function(nullptr), -1);
  EXPECT_EQ(bodies(function), 2);
}

TEST(MemoizeArgument, OfASpanCountsByItsElements) {
  const auto sum = memoize([](std::span<const int> numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0);
  });
  std::vector<int> numbers{1, 2, 3};

  EXPECT_EQ(sum(numbers), 6);
  numbers[0] = 10;
  EXPECT_EQ(sum(numbers), 15);
  EXPECT_EQ(sum(std::array{1, 2, 3}), 6);
  EXPECT_EQ(sum({}), 0);
  EXPECT_EQ(bodies(sum), 3);
}

TEST(MemoizeArgument, MayBeMovedFromByTheBody) {
  const auto function = memoize([](std::string&& text) {
    const std::string taken = std::move(text);
    return taken.size();
  });

  EXPECT_EQ(function("four"), 4);
  EXPECT_EQ(function(std::string("four")), 4);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeArgument, MayBeANumberAtTheEdges) {
  EXPECT_TRUE(are_told_apart<std::int64_t>({std::numeric_limits<std::int64_t>::min(), -1, 0, 1,
                                            std::numeric_limits<std::int64_t>::max()}));
  EXPECT_TRUE(are_told_apart<std::uint64_t>({0, 1, std::numeric_limits<std::uint64_t>::max()}));
  EXPECT_TRUE(are_told_apart<std::int8_t>({-128, -1, 0, 1, 127}));
  EXPECT_TRUE(are_told_apart<char>({'\0', 'a', 'b'}));

  const auto negate = memoize([](bool value) { return !value; });
  EXPECT_TRUE(negate(false));
  EXPECT_FALSE(negate(true));
  EXPECT_EQ(bodies(negate), 2);
}

TEST(MemoizeArgument, OfAFloatCountsByItsContent) {
  const double nan = std::numeric_limits<double>::quiet_NaN();

  EXPECT_TRUE(are_told_apart<double>({0.0, -0.0, nan, HUGE_VAL, -HUGE_VAL, 5e-324}));
  EXPECT_TRUE(are_told_apart<float>({0.0F, -0.0F, std::nanf(""), 1.5F}));
  EXPECT_TRUE(are_told_apart<long double>({0.0L, -0.0L, std::nanl(""), 1.5L}));
}

TEST(MemoizeArgument, OfAFloatInsideOfOthersCountsByItsContentToo) {
  const double nan = std::numeric_limits<double>::quiet_NaN();

  EXPECT_TRUE(are_told_apart<std::vector<double>>({{0.0}, {-0.0}, {nan}, {nan, nan}}));
  EXPECT_TRUE(are_told_apart<std::optional<double>>({0.0, -0.0, nan, std::nullopt}));
  EXPECT_TRUE((are_told_apart<std::pair<double, int>>({{0.0, 1}, {-0.0, 1}, {nan, 1}})));
  EXPECT_TRUE((are_told_apart<std::map<int, double>>({{{1, 0.0}}, {{1, -0.0}}, {{1, nan}}})));
  EXPECT_TRUE((are_told_apart<std::variant<double, int>>({0.0, -0.0, nan, 0})));
}

TEST(MemoizeArgument, MayBeAnyContainerOfTheStandard) {
  EXPECT_TRUE(are_told_apart<std::vector<int>>({{}, {0}, {0, 0}, {1, 2}, {2, 1}}));
  EXPECT_TRUE(are_told_apart<std::vector<bool>>({{}, {false}, {true}, {false, false}}));
  EXPECT_TRUE(are_told_apart<std::vector<std::string>>({{}, {""}, {"ab"}, {"a", "b"}}));
  EXPECT_TRUE(are_told_apart<std::deque<int>>({{}, {1}, {1, 2}, {2, 1}}));
  EXPECT_TRUE(are_told_apart<std::list<int>>({{}, {1}, {1, 2}, {2, 1}}));
  EXPECT_TRUE((are_told_apart<std::array<int, 2>>({{0, 0}, {1, 2}, {2, 1}})));
  EXPECT_TRUE(are_told_apart<std::set<int>>({{}, {1}, {1, 2}}));
  EXPECT_TRUE((are_told_apart<std::map<std::string, std::vector<int>>>(
      {{}, {{"a", {}}}, {{"a", {1}}}, {{"b", {1}}}})));
  EXPECT_TRUE((are_told_apart<std::unordered_map<std::string, int>>(
      {{}, {{"a", 1}}, {{"a", 2}}, {{"a", 1}, {"b", 2}}})));
}

TEST(MemoizeArgument, OfAnUnorderedSetIsTheSameInAnyOrder) {
  const auto count = memoize([](const std::unordered_set<int>& set) { return set.size(); });
  std::unordered_set<int> one_way(1);
  std::unordered_set<int> other_way(1000);
  for (int number = 0; number < 100; ++number) one_way.insert(number);
  for (int number = 99; number >= 0; --number) other_way.insert(number);

  EXPECT_EQ(count(one_way), 100);
  EXPECT_EQ(count(other_way), 100);
  EXPECT_EQ(bodies(count), 1);
}

TEST(MemoizeArgument, MayBeOptionalOrOneOfSeveral) {
  EXPECT_TRUE(are_told_apart<std::optional<int>>({std::nullopt, 0, 1}));
  EXPECT_TRUE(are_told_apart<std::optional<std::optional<int>>>(
      {std::nullopt, std::optional<int>(), std::optional<int>(0)}));
  EXPECT_TRUE((are_told_apart<std::variant<std::monostate, int, std::string>>(
      {std::monostate(), 0, "", "0"})));
  EXPECT_TRUE((are_told_apart<std::variant<int, long>>({0, 0L})));
  EXPECT_TRUE((are_told_apart<std::tuple<int, std::string, std::pair<int, int>>>(
      {{0, "", {0, 0}}, {1, "", {0, 0}}, {0, "a", {0, 0}}, {0, "", {0, 1}}})));
}

enum class Colour : std::uint8_t { red, green };

TEST(MemoizeArgument, MayBeAnEnumATimeOrAPath) {
  EXPECT_TRUE(are_told_apart<Colour>({Colour::red, Colour::green}));
  EXPECT_TRUE(are_told_apart<std::byte>({std::byte{0}, std::byte{1}}));
  EXPECT_TRUE(are_told_apart<std::chrono::milliseconds>({0ms, 1ms, 1s}));
  EXPECT_TRUE(are_told_apart<std::chrono::system_clock::time_point>(
      {{}, std::chrono::system_clock::time_point(1s)}));
  EXPECT_TRUE(are_told_apart<std::filesystem::path>({"", "/usr", "/usr/include"}));
}

// A type of a user's whose hash is as bad as can be.
struct Place {
  std::string country;
  int postcode = 0;

  bool operator==(const Place&) const = default;
};

}  // namespace
}  // namespace dcache

template <>
struct std::hash<dcache::Place> {
  std::size_t operator()(const dcache::Place&) const noexcept { return 7; }
};

namespace dcache {
namespace {

TEST(MemoizeArgument, OfATypeWithABadHashIsNeverTakenForAnother) {
  std::vector<Place> places;
  for (int postcode = 0; postcode < 50; ++postcode) places.push_back({"AT", postcode});
  places.push_back({"CH", 1});

  EXPECT_TRUE(are_told_apart(places));
}

// Looks like a range of its cells, but there is more to it.
class Matrix {
 public:
  Matrix(int rows, std::vector<int> cells) : rows_(rows), cells_(std::move(cells)) {}
  auto begin() const { return cells_.begin(); }
  auto end() const { return cells_.end(); }
  auto size() const { return cells_.size(); }
  bool operator==(const Matrix&) const = default;

 private:
  int rows_;
  std::vector<int> cells_;
};

TEST(MemoizeArgument, OfATypeThatLooksLikeARangeGoesByItsOwnEquality) {
  EXPECT_TRUE(are_told_apart<Matrix>({{2, {1, 2, 3, 4, 5, 6}}, {3, {1, 2, 3, 4, 5, 6}}}));
}

// Elements of it have no hash, but it has.
struct Shape {
  struct Corner {
    int x;
    bool operator==(const Corner&) const = default;
  };
  auto begin() const { return corners.begin(); }
  auto end() const { return corners.end(); }
  auto size() const { return corners.size(); }
  bool operator==(const Shape&) const = default;

  std::vector<Corner> corners;
};

}  // namespace
}  // namespace dcache

template <>
struct std::hash<dcache::Shape> {
  std::size_t operator()(const dcache::Shape& shape) const noexcept { return shape.size(); }
};

namespace dcache {
namespace {

TEST(MemoizeArgument, OfATypeWithAHashOfItsOwnGoesByThatWhateverItLooksLike) {
  EXPECT_TRUE(are_told_apart<Shape>({{{}}, {{{1}}}, {{{2}}}, {{{1}, {2}}}}));
}

// Counts its copies.
struct Heavy {
  explicit Heavy(int& copies_made) : copies(&copies_made) {}
  Heavy(const Heavy& other) : copies(other.copies) { ++*copies; }
  Heavy(Heavy&&) = default;
  Heavy& operator=(const Heavy&) = delete;
  ~Heavy() = default;
  bool operator==(const Heavy& other) const { return copies == other.copies; }

  int* copies;
};

}  // namespace
}  // namespace dcache

template <>
struct std::hash<dcache::Heavy> {
  std::size_t operator()(const dcache::Heavy&) const noexcept { return 1; }
};

namespace dcache {
namespace {

TEST(MemoizeArgument, MayComeFromWhereFunctionsHaveOurNames) {
  const auto function = memoize([](elsewhere::Place place) { return place.postcode; });

  EXPECT_EQ(function({8000}), 8000);
  EXPECT_EQ(function({8000}), 8000);
  EXPECT_EQ(function.refresh({8000}), 8000);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeArgument, ByConstReferenceIsNotCopiedByAHit) {
  int copies = 0;
  const Heavy heavy(copies);
  const auto function = memoize([](const Heavy&) { return 1; });
  function(heavy);

  copies = 0;
  function(heavy);
  function.peek(heavy);
  EXPECT_EQ(copies, 0);
}

// --- Results ---

TEST(MemoizeResult, ThatIsEmptyOrFalseOrZeroIsAResult) {
  const auto nothing = memoize([](int) -> std::optional<int> { return std::nullopt; });
  const auto no = memoize([](int) { return false; });
  const auto zero = memoize([](int) { return 0.0; });
  const auto blank = memoize([](int) { return std::string(); });

  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(nothing(1), std::nullopt);
    EXPECT_FALSE(no(1));
    EXPECT_EQ(zero(1), 0.0);
    EXPECT_EQ(blank(1), "");
  }
  EXPECT_EQ(bodies(nothing), 1);
  EXPECT_EQ(bodies(no), 1);
  EXPECT_EQ(bodies(zero), 1);
  EXPECT_EQ(bodies(blank), 1);
  ASSERT_TRUE(nothing.peek(1).has_value());
  EXPECT_EQ(*nothing.peek(1), std::nullopt);
}

TEST(MemoizeResult, ThatCannotBeCopiedIsShared) {
  const auto function = memoize([](int n) { return std::make_unique<int>(n); });

  const std::shared_ptr<const std::unique_ptr<int>> first = function(3);
  const auto second = function(3);
  const auto known = function.peek(3);
  EXPECT_EQ(**first, 3);
  EXPECT_EQ(first, second);
  EXPECT_EQ(known, first);
  EXPECT_EQ(bodies(function), 1);
}

TEST(MemoizeResult, ThatIsSharedOutlivesBothEntryAndFunction) {
  std::shared_ptr<const std::unique_ptr<int>> result;
  {
    const auto function = memoize([](int n) { return std::make_unique<int>(n); });
    result = function(3);
    function.clear();
  }

  EXPECT_EQ(**result, 3);
}

TEST(MemoizeResult, BehindASharedPointerIsTheVeryObject) {
  const auto function = memoize([](int n) { return std::make_shared<const int>(n); });

  EXPECT_EQ(function(3), function(3));
}

TEST(MemoizeResult, MayBeLarge) {
  struct Page {
    std::array<std::uint64_t, 4096> words{};
  };
  const auto page = memoize([](std::uint64_t n) {
    Page made;
    made.words.fill(n);
    return made;
  });
  const auto list = memoize([](int n) { return std::vector<int>(1'000'000, n); });

  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(page(5).words.back(), 5);
    EXPECT_EQ(list(7).size(), 1'000'000);
    EXPECT_EQ(list(7).back(), 7);
  }
  EXPECT_EQ(bodies(page), 1);
  EXPECT_EQ(bodies(list), 1);
}

TEST(MemoizeResult, IsTheCallersOwnToChange) {
  const auto function = memoize([](int n) { return std::vector<int>{n}; });

  auto mine = function(1);
  mine.push_back(2);
  EXPECT_EQ(function(1), std::vector{1});
}

const std::string constant(int number) { return std::to_string(number); }

TEST(MemoizeResult, MayBeDeclaredConst) {
  const auto function = memoize(constant);

  EXPECT_EQ(function(3), "3");
  EXPECT_EQ(function(3), "3");
  EXPECT_EQ(bodies(function), 1);
}

struct Fixed {
  const int number;
};
struct Labelled {
  const std::string label;
};

TEST(MemoizeResult, MayBeWhatCannotBeAssigned) {
  const auto fixed = memoize("fixed", [](int n) { return Fixed{n}; });
  const auto labelled = memoize("labelled", [](int n) { return Labelled{std::to_string(n)}; });
  const auto adder = memoize([](int n) { return [n](int other) { return n + other; }; });

  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(fixed(3).number, 3);
    EXPECT_EQ(labelled(3).label, "3");
    EXPECT_EQ(adder(3)(4), 7);
  }
  EXPECT_EQ(bodies(fixed) + bodies(labelled) + bodies(adder), 3);
  EXPECT_EQ(fixed.refresh(3).number, 3);
  EXPECT_EQ(labelled.peek(3)->label, "3");
  EXPECT_EQ(labelled.map(std::vector{3, 4}).at(1).label, "4");
}

struct Opened {
  std::string url;
  std::function<int()> size;
};
struct Ticker {
  char symbol[8];
  int price;
};
struct Traded : Ticker {
  std::vector<Opened> pages;
};

TEST(MemoizeResult, MayHoldWhatHasNoCodecThoughTheFunctionHasAName) {
  const auto opened =
      memoize("opened", [](int n) { return Opened{std::to_string(n), [n] { return n; }}; });
  const auto ticker = memoize("ticker", [](int n) { return Ticker{"ACME", n}; });
  const auto traded = memoize("traded", [](int n) { return Traded{{"ACME", n}, {}}; });

  EXPECT_EQ(opened(3).size(), 3);
  EXPECT_EQ(opened(3).url, "3");
  EXPECT_EQ(ticker(3).price, 3);
  EXPECT_EQ(traded(3).price, 3);
  EXPECT_EQ(bodies(opened), 1);
}

struct Lines {  // Owns what its elements look at.
  std::vector<std::string> held;
  auto begin() const { return held.begin(); }
  auto end() const { return held.end(); }
  std::size_t size() const { return held.size(); }
};
struct Tree : std::vector<Tree> {};

TEST(MemoizeResult, MayHoldWhatItOwns) {
  const auto shared = memoize([](int n) { return std::vector{std::make_shared<const int>(n)}; });
  const auto unique = memoize([](int n) { return std::optional(std::make_unique<int>(n)); });
  const auto lines = memoize([](int n) { return Lines{{std::to_string(n)}}; });
  const auto tree =
      memoize([](int n) { return Tree{std::vector<Tree>(static_cast<std::size_t>(n))}; });

  EXPECT_EQ(*shared(3).at(0), 3);
  EXPECT_EQ(***unique(3), 3);
  EXPECT_EQ(lines(3).held.at(0), "3");
  EXPECT_EQ(tree(3).size(), 3);
}

// --- Exceptions ---

TEST(MemoizeException, GoesToTheCallerAndIsStoredNowhere) {
  bool fails = true;
  const auto function = memoize([&](int n) {
    if (fails) throw std::out_of_range("no such number");
    return n;
  });

  EXPECT_THROW(function(1), std::out_of_range);
  EXPECT_THROW(function(1), std::out_of_range);
  EXPECT_EQ(bodies(function), 2);
  EXPECT_EQ(function.peek(1), std::nullopt);
  fails = false;
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(function(1), 1);
  EXPECT_EQ(bodies(function), 3);
}

TEST(MemoizeException, MayBeOfAnyType) {
  const auto function = memoize([](int n) -> int { throw n; });

  try {
    function(42);
    FAIL() << "nothing was thrown";
  } catch (int thrown) {
    EXPECT_EQ(thrown, 42);
  }
}

TEST(MemoizeException, OfOneCallDoesNotTouchAnother) {
  const auto function = memoize([](int n) {
    if (n == 0) throw std::domain_error("zero");
    return 100 / n;
  });

  EXPECT_EQ(function(5), 20);
  EXPECT_THROW(function(0), std::domain_error);
  EXPECT_EQ(function(5), 20);
  EXPECT_EQ(bodies(function), 2);
}

}  // namespace
}  // namespace dcache
