// SPDX-License-Identifier: MIT
/// Replies as text that a person can compare, and how a parser reads bytes that are cut.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wire/resp.hpp"

namespace dcache::test {

/// `[1, "bulk", +simple, {…}]`: kinds and texts of all nodes from `at` on, which moves behind it.
inline std::string shown(const resp::Reply& reply, std::size_t& at) {
  using resp::Kind;
  const resp::Node& node = reply.nodes()[at];
  const std::string text(reply.text(node));
  switch (node.kind) {
    case Kind::simple:
      ++at;
      return '+' + text;
    case Kind::error:
      ++at;
      return '-' + text;
    case Kind::integer:
      ++at;
      return std::to_string(node.number);
    case Kind::bulk:
      ++at;
      return '"' + text + '"';
    case Kind::null:
      ++at;
      return "null";
    case Kind::real:
      ++at;
      return ',' + text;
    case Kind::boolean:
      ++at;
      return node.number != 0 ? "true" : "false";
    case Kind::verbatim:
      ++at;
      return '=' + text;
    case Kind::big_number:
      ++at;
      return '(' + text;
    case Kind::array:
    case Kind::map:
    case Kind::set:
    case Kind::push:
      break;
  }
  constexpr std::string_view heads = "[{~>";
  std::string all(
      1, heads[static_cast<std::size_t>(node.kind) - static_cast<std::size_t>(Kind::array)]);
  const std::size_t elements = node.size;
  ++at;
  for (std::size_t i = 0; i < elements; ++i) {
    if (i > 0) all += ", ";
    all += shown(reply, at);
  }
  return all + ']';
}

inline std::string shown(const resp::Reply& reply) {
  std::size_t at = 0;
  return shown(reply, at);
}

/// What a fresh parser makes of bytes that come in pieces of `piece` bytes: replies as text, a
/// fault by its name, and `...` for what is not whole.
inline std::string read_in_pieces(std::string_view bytes, std::size_t piece,
                                  const resp::Limits& limits = {}) {
  using State = resp::Parser::State;
  resp::Parser parser(limits);
  std::string all;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    while (!part.empty()) {
      const State state = parser.read(part);
      if (state == State::fault) return all + '!' + resp::name_of(parser.fault());
      if (state == State::whole) all += shown(parser.reply()) + ' ';
    }
  }
  if (parser.within()) all += "...";
  return all;
}

}  // namespace dcache::test
