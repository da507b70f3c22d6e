// SPDX-License-Identifier: MIT
// Two programs share one result through files: this one, run twice, and shared.py, in Python.
//
//   shared CACHE FOLDER     counts the words of every file under FOLDER, which takes a while,
//                           unless somebody has done so
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dcache/dcache.hpp"

using Counts = std::vector<std::pair<std::string, std::int64_t>>;

namespace {

bool is_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_';
}

void count_words(const std::string& text, std::unordered_map<std::string, std::int64_t>& counts) {
  std::string word;
  for (const char letter : text + ' ') {
    if (is_letter(letter)) {
      word += letter;
    } else if (!word.empty()) {
      ++counts[word];
      word.clear();
    }
  }
}

// The three most frequent ones.
Counts most_frequent_words(const std::string& folder) {
  std::unordered_map<std::string, std::int64_t> counts;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    count_words({std::istreambuf_iterator<char>(file), {}}, counts);
  }
  Counts words(counts.begin(), counts.end());
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  words.resize(std::min<std::size_t>(words.size(), 3));
  return words;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: shared CACHE FOLDER\n");
    return 2;
  }
  bool computed = false;
  const dcache::Cache cache("file://" + std::filesystem::absolute(words[1]).string());
  const auto most_frequent =
      cache.memoize("examples:most_frequent_words", [&](const std::string& folder) {
        computed = true;
        return most_frequent_words(folder);
      });

  const auto begun = std::chrono::steady_clock::now();
  const Counts found = most_frequent(words[2]);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  std::printf("  C++     %9.1f ms  %-8s ", took.count(), computed ? "computed" : "found");
  for (const auto& [word, times] : found) {
    std::printf(" %s %lld", word.c_str(), static_cast<long long>(times));
  }
  std::printf("\n");
}
