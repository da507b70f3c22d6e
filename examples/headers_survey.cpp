// SPDX-License-Identifier: MIT
#include "headers_survey.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <unordered_set>

namespace headers {
namespace {

namespace fs = std::filesystem;

bool is_word(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') || letter == '_';
}

// Takes comments and the inside of strings away, line by line.
class Stripper {
 public:
  /// The code of one line. `commented`: there was something of a comment.
  std::string_view strip(std::string_view line, bool& commented) {
    code_.clear();
    commented = in_comment_;
    for (std::size_t at = 0; at < line.size();) at = step(line, at, commented);
    const std::size_t first = code_.find_first_not_of(" \t\r\f");
    if (first == std::string::npos) return {};
    const std::size_t last = code_.find_last_not_of(" \t\r\f");
    return std::string_view(code_).substr(first, last - first + 1);
  }

 private:
  std::size_t step(std::string_view line, std::size_t at, bool& commented) {
    if (in_comment_) {
      const std::size_t end = line.find("*/", at);
      in_comment_ = end == std::string_view::npos;
      return in_comment_ ? line.size() : end + 2;
    }
    if (line.substr(at, 2) == "//") {
      commented = true;
      return line.size();
    }
    if (line.substr(at, 2) == "/*") {
      commented = in_comment_ = true;
      return at + 2;
    }
    const char letter = line[at];
    code_ += letter;
    if (letter == '"' || (letter == '\'' && (at == 0 || !is_word(line[at - 1])))) {
      return skip_literal(line, at + 1, letter);
    }
    return at + 1;
  }

  std::size_t skip_literal(std::string_view line, std::size_t at, char quote) {
    while (at < line.size() && line[at] != quote) at += line[at] == '\\' ? 2 : 1;
    code_ += quote;
    return std::min(at + 1, line.size());
  }

  bool in_comment_ = false;
  std::string code_;
};

std::string_view first_word(std::string_view text) {
  const auto begin = std::find_if(text.begin(), text.end(), is_word);
  return {begin, std::find_if_not(begin, text.end(), is_word)};
}

// `class Name {`, but not `class Name;`
bool defines_type(std::string_view code) {
  constexpr std::array<std::string_view, 4> keywords{"class", "struct", "union", "enum"};
  const std::string_view word = first_word(code);
  return std::find(keywords.begin(), keywords.end(), word) != keywords.end() && code.back() != ';';
}

// `something name(...`, where `something` and `name` are no keywords of statements.
bool declares_function(std::string_view code) {
  constexpr std::array<std::string_view, 8> statements{"if",     "for",    "while",  "switch",
                                                       "return", "sizeof", "delete", "throw"};
  const std::size_t paren = code.find('(');
  if (paren == std::string_view::npos || code.find('=') < paren) return false;
  const std::string_view before = code.substr(0, paren);
  const std::size_t space = before.find_first_of(" \t");
  if (space == std::string_view::npos || !is_word(before.back())) return false;
  return std::find(statements.begin(), statements.end(), first_word(code)) == statements.end();
}

void read_directive(const SearchPath& search, const fs::path& folder, std::string_view line,
                    Summary& summary) {
  const std::string_view word = first_word(line);
  if (word == "define") ++summary.macros;
  if (word != "include" && word != "include_next" && word != "import") return;
  const std::size_t open = line.find_first_of("<\"");
  if (open == std::string_view::npos) return;
  const std::size_t close = line.find(line[open] == '<' ? '>' : '"', open + 1);
  if (close == std::string_view::npos) return;
  const std::string name(line.substr(open + 1, close - open - 1));
  auto found = search.find(line[open] == '"' ? folder : fs::path(), name);
  if (!found.empty()) summary.includes.push_back(std::move(found));
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The entry whose name sorts last, such as the newest version of a compiler; "" if there is none.
fs::path last_entry(const fs::path& folder, std::string_view part_of_name = "") {
  fs::path last;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const auto newer = [&] {  // "9" before "12"
      const std::string before = last.filename().string();
      return before.size() != name.size() ? before.size() < name.size() : before < name;
    };
    if (name.find(part_of_name) != std::string::npos && (last.empty() || newer())) {
      last = entry.path();
    }
  }
  return last;
}

}  // namespace

SearchPath::SearchPath(const fs::path& root) : root_(root) {
  if (!fs::is_directory(root)) {
    throw std::runtime_error("there is no " + root.string() +
                             "; on Debian: apt-get install g++ libc6-dev");
  }
  const fs::path version = last_entry(root / "c++");
  const fs::path machine = last_entry(root, "-linux-gnu");
  const fs::path compiler = last_entry("/usr/lib/gcc" / machine.filename());
  for (const fs::path& folder :
       {version, machine / "c++" / version.filename(), compiler / "include", machine, root}) {
    if (!folder.empty() && fs::is_directory(folder)) folders_.push_back(folder);
  }
}

std::string SearchPath::find(const fs::path& from, const std::string& name) const {
  std::error_code ignored;
  if (!from.empty()) {
    const fs::path beside = from / name;
    if (fs::is_regular_file(beside, ignored)) return beside.lexically_normal().string();
  }
  for (const fs::path& folder : folders_) {
    const fs::path candidate = folder / name;
    if (fs::is_regular_file(candidate, ignored)) return candidate.lexically_normal().string();
  }
  return {};
}

std::vector<std::string> SearchPath::well_known() const {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const fs::path& folder : {root_, root_ / "linux", folders_.front()}) {
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() && (extension == ".h" || extension.empty())) {
        found.push_back(entry.path().string());
      }
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::shared_ptr<const Summary> summarise(const SearchPath& search, const std::string& path) {
  auto summary = std::make_shared<Summary>();
  const fs::path folder = fs::path(path).parent_path();
  const std::string text = read(path);
  summary->bytes = text.size();

  Stripper stripper;
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    summary->longest_line = std::max(summary->longest_line, line.size());

    bool commented = false;
    const std::string_view code = stripper.strip(line, commented);
    if (commented) ++summary->comment_lines;
    if (code.empty()) continue;
    ++summary->code_lines;
    if (code.front() == '#') {
      read_directive(search, folder, line, *summary);
    } else if (defines_type(code)) {
      ++summary->types;
    } else if (declares_function(code)) {
      ++summary->functions;
    }
  }
  return summary;
}

Survey survey(const std::string& path, const Summarise& summarise) {
  Survey total;
  std::unordered_set<std::string> seen{path};
  for (std::vector<std::string> open{path}; !open.empty(); ++total.headers) {
    const auto summary = summarise(open.back());
    open.pop_back();
    total.bytes += summary->bytes;
    total.code_lines += summary->code_lines;
    total.comment_lines += summary->comment_lines;
    total.macros += summary->macros;
    total.functions += summary->functions;
    total.types += summary->types;
    total.longest_line = std::max(total.longest_line, summary->longest_line);
    for (const std::string& include : summary->includes) {
      if (seen.insert(include).second) open.push_back(include);
    }
  }
  return total;
}

}  // namespace headers
