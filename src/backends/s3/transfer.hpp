// SPDX-License-Identifier: MIT
/// A request, as libcurl has it: an easy handle and what its callbacks write to.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include <curl/curl.h>

#include "backends/s3/http.hpp"

namespace dcache::http {

/// Starts libcurl, once in a process.
void start_curl();

/// For one thread at a time. Used again and again: what is set up once stays.
class Transfer {
 public:
  Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const noexcept { return easy_.get(); }

  /// Both are used until `finish`. Throws std::bad_alloc.
  void prepare(const Request& request, Reply& reply);
  /// The reply has what `result` says.
  void finish(CURLcode result);

 private:
  struct EndEasy {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
  };
  struct EndList {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  };

  static std::size_t take_body(char* bytes, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t take_header(char* bytes, std::size_t one, std::size_t size,
                                 void* self) noexcept;

  void set_up_once();
  bool make_room(std::string_view length);
  void append_header(const std::string& line);

  std::unique_ptr<CURL, EndEasy> easy_;
  std::unique_ptr<curl_slist, EndList> headers_;
  std::array<char, CURL_ERROR_SIZE> trouble_{};
  Reply* reply_ = nullptr;
  std::size_t reply_max_ = 0;
  bool too_large_ = false;
  bool cut_ = false;  // Of a body that is no object's, enough has been seen.
};

}  // namespace dcache::http
