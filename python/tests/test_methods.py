# SPDX-License-Identifier: MIT
"""Methods: `self` by identity and weakly, the verbs, every order of decorators."""

import copy
import dataclasses
import gc
import inspect
import pickle
import sys
import weakref

import pytest
from dcache import MISSING, dcache


class Shop:
    def __init__(self):
        self.runs = []

    @dcache
    def price(self, article, currency="EUR"):
        self.runs.append(article)
        return article, currency

    @dcache
    def name(self):
        self.runs.append("name")
        return "shop"

    @property
    @dcache
    def total(self):
        self.runs.append("total")
        return len(self.runs)

    @dcache
    @property
    def outer_total(self):
        self.runs.append("total")
        return len(self.runs)

    @staticmethod
    @dcache
    def inner_static(x):
        return object()

    @dcache
    @staticmethod
    def outer_static(x):
        return object()

    @classmethod
    @dcache
    def inner_class(cls, x):
        return cls, object()

    @dcache
    @classmethod
    def outer_class(cls, x):
        return cls, object()


class Everywhere(Shop):
    """All of these are equal."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


def test_every_spelling_of_a_method_call_is_one_call():
    shop = Shop()
    bound = shop.price
    calls = [
        lambda: shop.price(1),
        lambda: shop.price(1, "EUR"),
        lambda: shop.price(article=1),
        lambda: bound(1),
        lambda: bound(currency="EUR", article=1),
        lambda: Shop.price(shop, 1),
        lambda: Shop.price(self=shop, article=1),
    ]
    assert {call() for call in calls} == {(1, "EUR")}
    assert shop.runs == [1]


@pytest.mark.parametrize("kind", [Shop, Everywhere])
def test_instances_do_not_share_even_if_they_are_equal(kind):
    one, other = kind(), kind()
    one.price(1)
    other.price(1)
    assert (one.runs, other.runs) == ([1], [1])
    assert one.name() == other.name() == "shop"
    assert other.runs == [1, "name"]


def test_an_entry_dies_with_its_instance():
    Shop.price.cache_clear()
    shop, other = Shop(), Shop()
    for article in range(10):
        shop.price(article)
    other.price(1)
    assert Shop.price.cache_info().currsize == 11
    watch = weakref.ref(shop)
    del shop
    assert watch() is None
    assert Shop.price.cache_info().currsize == 1
    assert other.price(1) == (1, "EUR")
    assert other.runs == [1]


def test_an_instance_that_takes_the_address_of_a_dead_one_is_another():
    for _ in range(200):
        shop = Shop()
        shop.price(1)
        assert shop.runs == [1]
        del shop


def test_an_instance_in_a_cycle_is_collected_with_its_entries():
    Shop.price.cache_clear()
    shop = Shop()
    shop.me = shop
    shop.price(1)
    watch = weakref.ref(shop)
    del shop
    gc.collect()
    assert watch() is None
    assert Shop.price.cache_info().currsize == 0


def test_evicted_entries_leave_nothing_of_their_instances():
    class Small:
        @dcache(maxsize=2)
        def square(self, x):
            return x * x

    some = [Small() for _ in range(50)]
    for each in some:
        each.square(3)
    counts = [weakref.getweakrefcount(each) for each in some]
    assert sum(counts) == Small.square.cache_info().currsize <= 2


def test_a_finaliser_may_call_the_method_of_the_dying_instance():
    class Last:
        @dcache
        def word(self):
            return "word"

        def __del__(self):
            said.append(self.word())

    said = []
    last = Last()
    last.word()
    del last
    assert said == ["word"]
    gc.collect()
    assert Last.word.cache_info().currsize == 0


@pytest.mark.parametrize("make", [lambda: Slots(1), lambda: Number(1)])
def test_what_cannot_be_held_weakly_goes_by_equality_and_is_held(make):
    one, equal = make(), make()
    assert one.double() == equal.double()
    assert type(one).double.cache_info().misses == 1
    type(one).double.cache_clear()


class Slots:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __hash__(self):
        return self.value

    @dcache
    def double(self):
        return self.value * 2


class Number(int):
    @dcache
    def double(self):
        return self * 2


def test_bound_methods_have_the_verbs_with_the_instance_in_front():
    shop, other = Shop(), Shop()
    shop.price(1)
    other.price(1)
    assert shop.price.peek(1) == (1, "EUR")
    assert shop.price.invalidate(1)
    assert shop.price.peek(1) is MISSING
    assert other.price.peek(1) == (1, "EUR")
    shop.price.put("gift", 1, currency="EUR")
    assert shop.price(1) == "gift"
    assert shop.price.refresh(1) == (1, "EUR")
    assert "a call is a hit" in shop.price.explain(1)
    assert shop.price.cache_info() == Shop.price.cache_info()
    with pytest.raises(TypeError, match="needs the value first"):
        shop.price.put()


def test_bound_methods_look_like_bound_methods():
    shop = Shop()
    assert shop.price == shop.price
    assert hash(shop.price) == hash(shop.price)
    assert shop.price != Shop().price
    assert shop.price.__self__ is shop
    assert shop.price.__func__ is Shop.price
    assert shop.price.__name__ == "price"
    assert shop.price.__wrapped__(5) == (5, "EUR")
    assert str(inspect.signature(shop.price)) == "(article, currency='EUR')"
    assert "price" in repr(shop.price)
    assert copy.copy(Shop.price) is Shop.price


def test_bound_methods_pickle():
    assert pickle.loads(pickle.dumps(PICKLED.price)).__self__.runs == []


def test_a_bound_method_is_copied_with_its_instance():
    class Button:
        def __init__(self):
            self.on_click = self.click

        @dcache
        def click(self):
            return self

    button = Button()
    other = copy.deepcopy(button)
    assert other.on_click() is other
    assert button.on_click() is button
    assert copy.deepcopy(button.click) != button.click
    assert copy.copy(button.click) == button.click


PICKLED = Shop()


def test_properties_in_both_orders():
    shop = Shop()
    assert (shop.total, shop.total) == (1, 1)
    assert (shop.outer_total, shop.outer_total) == (2, 2)
    watch = weakref.ref(shop)
    del shop
    assert watch() is None


def test_static_methods_in_both_orders():
    for static in (Shop.inner_static, Shop().inner_static, Shop.outer_static, Shop().outer_static):
        assert static(1) is static(1)
        assert static.invalidate(1)
        assert static.peek(1) is MISSING


class Branch(Shop):
    pass


@pytest.mark.parametrize("name", ["inner_class", "outer_class"])
def test_class_methods_in_both_orders(name):
    of_shop, of_branch = getattr(Shop, name), getattr(Branch, name)
    assert of_shop(1) == of_shop(1) == getattr(Shop(), name)(1)
    assert of_shop(1)[0] is Shop
    assert of_branch(1)[0] is Branch


def test_class_methods_have_the_verbs():
    Branch.outer_class(1)
    assert Branch.outer_class.peek(1)[0] is Branch
    assert Branch.outer_class.invalidate(1)
    assert Branch.outer_class.peek(1) is MISSING


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="classmethod binds by itself from 3.13")
def test_class_methods_around_the_cache_have_the_verbs_too():
    Branch.inner_class(1)
    assert Branch.inner_class.invalidate(1)


def test_a_function_put_on_a_class_later_is_a_method():
    class Late:
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    @dcache
    def who(it):
        return id(it)

    Late.who = who
    one, other = Late(), Late()
    assert one.who() == id(one)
    assert other.who() == id(other)
    watch = weakref.ref(one)
    del one
    assert watch() is None


@dataclasses.dataclass
class Order:
    total: int


def test_a_function_that_a_class_only_keeps_is_no_method():
    @dcache
    def total(order):
        return order.total

    order = Order(1)
    assert total(order) == 1

    class Handlers:
        handle = total

    @dataclasses.dataclass
    class Event:
        callback: object = total

    assert total.peek(order) == 1
    order.total = 2
    assert total(order) == 2
    assert Handlers.handle(order) == 2
    order.total = 3
    assert Event().callback(order) == 3


def test_a_method_may_leave_its_instance_out():
    runs = []

    class Shared:
        @dcache(ignore="self")
        def f(self, x):
            runs.append(x)
            return x

        @dcache(key=lambda self, x: x)
        def g(self, x):
            runs.append(x)
            return x

    assert Shared().f(1) == Shared().f(1) == 1
    assert Shared().g(1) == Shared().g(1) == 1
    assert runs == [1, 1]


def test_a_result_that_refers_to_its_instance_keeps_it():
    class Own:
        @dcache
        def me(self):
            return self

    own = Own()
    watch = weakref.ref(own)
    own.me()
    del own
    gc.collect()
    assert watch() is not None
    Own.me.cache_clear()
    gc.collect()
    assert watch() is None


def test_callers_on_one_instance_share_one_computation():
    import threading
    import time

    class Slow:
        runs = 0

        @dcache
        def f(self, x):
            time.sleep(0.2)
            Slow.runs += 1
            return object()

    slow, answers = Slow(), []
    threads = [threading.Thread(target=lambda: answers.append(slow.f(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert Slow.runs == 1
    assert len(set(map(id, answers))) == 1
