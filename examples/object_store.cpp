// SPDX-License-Identifier: MIT
// A function of an id and an input whose answers live in an object store: by hand over libcurl, and
// with dcache. Then the store holds garbage, hangs, and is down. A small server of the tests stands
// in for S3: it does what it is told to.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include "dcache/backends/s3.hpp"
#include "dcache/dcache.hpp"
#include "support/fault_server.hpp"

using Input = std::map<std::string, std::string>;
struct Answer {
  int id = 0;
  int words = 0;
  std::vector<std::string> tags;
};

namespace {

// Stands for what takes long.
Answer think(int id, const Input& input) {
  std::printf("  thinking about %d\n", id);
  std::istringstream text(input.at("text"));
  Answer answer{id, 0, {}};
  for (const auto& [name, value] : input) answer.tags.push_back(name);
  for (std::string word; text >> word;) ++answer.words;
  return answer;
}

// --- By hand: the key, the codec, the miss, the write, and all that goes wrong ---

class ObjectStore {
 public:
  explicit ObjectStore(std::string endpoint) : endpoint_(std::move(endpoint)) {}

  // None: there is no such object.
  std::optional<std::string> get(const std::string& key) const {
    std::string body;
    const long status = ask("GET", key, nullptr, body);
    if (status == 404) return std::nullopt;
    if (status != 200) throw std::runtime_error("status " + std::to_string(status));
    return body;
  }
  void put(const std::string& key, const std::string& body) const {
    std::string ignored;
    const long status = ask("PUT", key, &body, ignored);
    if (status != 200) throw std::runtime_error("status " + std::to_string(status));
  }

 private:
  long ask(const char* method, const std::string& key, const std::string* body,
           std::string& reply) const {
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
    const std::string url = endpoint_ + "/answers/" + key;
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl.get(), CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:s3");
    curl_easy_setopt(curl.get(), CURLOPT_USERPWD, "me:secret");
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 1000L);
    if (body != nullptr) {
      curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
      curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->data());
    }
    curl_write_callback take = [](char* bytes, std::size_t, std::size_t size, void* to) {
      static_cast<std::string*>(to)->append(bytes, size);
      return size;
    };
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &reply);
    const CURLcode result = curl_easy_perform(curl.get());
    if (result != CURLE_OK) throw std::runtime_error(curl_easy_strerror(result));
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  const std::string endpoint_;
};

std::string encode(const Answer& answer) {
  std::ostringstream out;
  out << answer.id << ' ' << answer.words << ' ' << answer.tags.size();
  for (const std::string& tag : answer.tags) out << ' ' << tag;
  return out.str();
}

Answer decode(const std::string& text) {
  std::istringstream in(text);
  Answer answer;
  std::size_t tags = 0;
  in >> answer.id >> answer.words >> tags;
  if (!in || tags > text.size()) throw std::runtime_error("no answer: " + text);
  answer.tags.resize(tags);
  for (std::string& tag : answer.tags) in >> tag;
  return answer;
}

Answer answer_by_hand(const ObjectStore& store, int id, const Input& input) {
  std::string key = std::to_string(id);
  for (const auto& [name, value] : input) {
    key += '-' + name + '-' + std::to_string(std::hash<std::string>()(value));
  }
  if (const auto kept = store.get(key)) return decode(*kept);
  Answer answer = think(id, input);
  store.put(key, encode(answer));
  return answer;
}

// What comes of it.
void show(const char* way, const std::function<Answer()>& ask) {
  try {
    const Answer answer = ask();
    std::printf("%s: %d words, %zu tags\n", way, answer.words, answer.tags.size());
  } catch (const std::exception& error) {
    std::printf("%s: throws \"%s\"\n", way, error.what());
  }
}

}  // namespace

int main() {
  auto server = std::make_unique<dcache::test::FaultServer>();
  ::setenv("DCACHE_S3_BUCKET", "answers", 1);
  ::setenv("AWS_ENDPOINT_URL", server->endpoint().c_str(), 1);
  ::setenv("AWS_ACCESS_KEY_ID", "me", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  const ObjectStore store(server->endpoint());
  const Input question{{"text", "to be or not to be"}, {"by", "somebody"}};

  // --- With dcache ---
  const auto s3 = std::make_shared<dcache::S3Backend>();
  const auto answer = dcache::Cache({s3}).memoize("answer", think);

  const auto ask_both = [&](const char* command) {
    if (command != nullptr) server->tell(command);
    show("by hand", [&] { return answer_by_hand(store, 7, question); });
    if (command != nullptr) server->tell(command);
    show("dcache", [&] { return answer(7, question); });
  };
  std::puts("The first time:");
  ask_both(nullptr);
  std::puts("The second time:");
  ask_both(nullptr);
  std::puts("The store holds garbage:");
  ask_both("garbage");
  std::puts("The store hangs:");
  ask_both("next hang");
  std::puts("The store is down:");
  server.reset();
  ask_both(nullptr);
}

// Prints:
// The first time:
//   thinking about 7
// by hand: 6 words, 2 tags
//   thinking about 7
// dcache: 6 words, 2 tags
// The second time:
// by hand: 6 words, 2 tags
// dcache: 6 words, 2 tags
// The store holds garbage:
// by hand: throws "no answer: {"id": 7, "wor"
//   thinking about 7
// dcache: 6 words, 2 tags
// The store hangs:
// by hand: throws "Timeout was reached"
//   thinking about 7
// dcache: 6 words, 2 tags
// The store is down:
// by hand: throws "Couldn't connect to server"
//   thinking about 7
// dcache: 6 words, 2 tags
