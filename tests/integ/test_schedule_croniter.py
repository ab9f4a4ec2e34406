#!/usr/bin/python3
"""Goal: slots are those that croniter names, and when clocks change, those of Debian's cron.

    test_schedule_croniter.py PROGRAM EXPRESSIONS [SEED]

Two oracles.  croniter, for all days on which no clock changes.  And a look at every minute of the
year, with Python's own zones, which knows what cron does in such a night; croniter does something
else then, which test_differences_from_croniter pins down, with all else in which the two differ.
"""
import bisect
import functools
import json
import random
import subprocess
import sys
import unittest
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, croniter

YEAR = 2028  # has a 29 February
ZONES = ["UTC", "Europe/Berlin", "America/New_York"]
HALF_HOUR = "Australia/Lord_Howe"  # its summer time is 30 minutes, and its winter is in July
MINUTE, DAY = 60, 86400
WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
         "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
         "@annually": "0 0 1 1 *"}
FORMS = list(WORDS) + [
    "*/5 * * * *", "*/15 * * * *", "5/10 * * * *", "1-30/5 * * * *", "17 * * * *",
    "0,20,40 * * * *", "0 */2 * * *", "30 */3 * * *", "0 3/4 * * *", "0 2 * * *", "30 2 * * *",
    "15,45 1-3 * * *", "*/20 2 * * *", "0 9-17/2 * * 1-5", "0 9 * * MON-Fri", "0 0 * * 7",
    "0 4 * * 0,3", "0 1 * * 5-7", "59 23 31 * *", "0 0 29 2 *", "0 12 1,15 * *", "5 4 */10 * *",
    "0 0 13 * fri", "0 0 */2 * mon", "30 1 1-7 * */2", "0 6 * jan,Apr-JUN/2,12 *", "10 10 10 10 *",
    "0 0 1 */3 *", "*/30 5 * 6-8 sun"]
EVERY = {"1m": 60, "15m": 900, "every 15m": 900, "every 1h30m": 5400, "7h": 25200, "90s": 90,
         "every 1d": DAY, "366d": 366 * DAY}
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()


class Expression:
    """The semantics of crontab(5), written a second time."""

    def __init__(self, text):
        minute, hour, day, month, weekday = WORDS.get(text, text).lower().split()
        self.minutes = self.values(minute, 0, 59)
        self.hours = self.values(hour, 0, 23)
        self.days = self.values(day, 1, 31)
        self.months = self.values(month, 1, 12, {n: i for i, n in enumerate(MONTHS, 1)})
        self.weekdays = {v % 7 for v in self.values(weekday, 0, 6,
                                                    {n: i for i, n in enumerate(WEEKDAYS)})}
        self.each_hour = hour[0] == "*"
        self.both_days = day[0] == "*" or weekday[0] == "*"
        # What croniter takes for a star, and we do not.
        self.all_days = len(self.days) == 31 and day[0] != "*"
        self.leaves_february = max(self.days) > 29 and day != "*"
        self.all_weekdays = len(self.weekdays) == 7 and weekday[0] != "*"

    @staticmethod
    def values(text, low, high, names=()):
        found = set()
        for item in text.split(","):
            span, _, step = item.partition("/")
            first, dash, last = span.partition("-")
            number = lambda word: names[word] if word in names else int(word)
            begin = low if first == "*" else number(first)
            end = number(last) if dash else high if first == "*" or step else begin
            found.update(range(begin, end + 1, int(step or 1)))
        return found

    def never_comes(self):
        """No month that it names has a day that it names, and a day of week does not do instead."""
        longest = max(31 if m in (1, 3, 5, 7, 8, 10, 12) else 29 if m == 2 else 30
                      for m in self.months)
        return self.both_days and min(self.days) > longest

    def fits(self, wall):
        minute, hour, day, month, weekday = wall
        if minute not in self.minutes or hour not in self.hours or month not in self.months:
            return False
        if self.both_days:
            return day in self.days and weekday in self.weekdays
        return day in self.days or weekday in self.weekdays


def fields(wall):
    return wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7


class Minutes:
    """Each minute of a year: when it is, what the wall shows, whether it showed it before, and what
    it would have shown in between if clocks had not been put forward."""

    def __init__(self, name):
        zone = ZoneInfo(name)
        self.begin = int(datetime(YEAR, 1, 1, tzinfo=zone).timestamp())
        self.end = int(datetime(YEAR + 1, 1, 1, tzinfo=zone).timestamp())
        self.rows, self.changes, before = [], [], None
        for at in range(self.begin, self.end, MINUTE):
            wall = datetime.fromtimestamp(at, zone)
            offset, skipped = wall.utcoffset(), ()
            if before is not None and offset != before:
                self.changes.append(at)
                gap = (offset - before) // timedelta(minutes=1)
                skipped = [fields(wall.replace(tzinfo=None) - timedelta(minutes=back))
                           for back in range(1, gap + 1)]
            self.rows.append((at, fields(wall), wall.fold, skipped))
            before = offset

    def slots(self, expression, begin, end):
        """After begin, up to end."""
        first = (max(begin, self.begin - MINUTE) - self.begin) // MINUTE + 1
        found = []
        for at, wall, repeated, skipped in self.rows[first:(end - self.begin) // MINUTE + 1]:
            if wall[0] not in expression.minutes and not skipped:
                continue  # most of them
            if expression.each_hour:
                due = expression.fits(wall)
            else:
                due = (not repeated and expression.fits(wall)) or any(
                    expression.fits(lost) for lost in skipped)
            if due:
                found.append(at)
        return found

    @functools.cache
    def all_slots(self, text):
        return self.slots(Expression(text), self.begin - 1, self.end - 1)

    def calm(self):
        """(after, until) of the stretches without the days on which clocks change."""
        begin = self.begin
        for change in self.changes:
            yield begin, change - DAY
            begin = change + DAY
        yield begin, self.end - 1


def by_croniter(text, zone, after, until, count=None):
    expression, found = Expression(text), []
    walk = croniter(WORDS.get(text, text), datetime.fromtimestamp(after, ZoneInfo(zone)),
                    day_or=not expression.both_days)
    while count is None or len(found) < count:
        at = round(walk.get_next(float))
        if at > until:
            break
        found.append(at)
    return found


def comparable(text, zone, found):
    """Without 1 March where croniter overlooks it: see test_differences_from_croniter."""
    if not Expression(text).leaves_february:
        return found
    return [at for at in found
            if fields(datetime.fromtimestamp(at, ZoneInfo(zone)))[2:4] != (1, 3)]


def ask(**question):
    PROCESS.stdin.write(json.dumps(question) + "\n")
    PROCESS.stdin.flush()
    return json.loads(PROCESS.stdout.readline())


def slots(text, zone, after, until):
    return ask(schedule=text, zone=zone, after=after, until=until)


def random_field(rng, low, high, names=None):
    def value():
        number = rng.randint(low, high)
        if names and number - low < len(names) and rng.random() < 0.3:
            name = names[number - low]
            return number, rng.choice([name, name.upper(), name.title()])
        return number, str(number)

    def item():
        kind = rng.random()
        if kind < 0.15:
            return rng.choice(["*", "*/%d" % rng.randint(1, high)])
        if kind < 0.45:
            # A name at a range's end would be Sunday, and 7 is none that a name stands for.
            (a, first), (b, last) = sorted([value(), value()])
            step = "/%d" % rng.randint(1, high) if rng.random() < 0.4 else ""
            return "%s-%s%s" % (first, last, step) if a < b else first
        if kind < 0.55 and high != 7:  # see test_differences_from_croniter
            return "%d/%d" % (rng.randint(low, high), rng.randint(1, high))
        return value()[1]

    return ",".join(item() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def random_expression(rng):
    star = lambda chance, *field: "*" if rng.random() < chance else random_field(rng, *field)
    return " ".join([star(0.05, 0, 59), star(0.3, 0, 23), star(0.5, 1, 31),
                     star(0.6, 1, 12, MONTHS), star(0.5, 0, 7, WEEKDAYS)])


class Schedule(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.years = {zone: Minutes(zone) for zone in ZONES + [HALF_HOUR]}

    def test_the_zones_change_their_clocks_in_this_year(self):
        self.assertEqual([len(self.years[zone].changes) for zone in ZONES + [HALF_HOUR]],
                         [0, 2, 2, 2])

    def test_a_year_of_each_form_minute_by_minute(self):
        for zone, year in self.years.items():
            after, until = year.begin - 1, year.end - 1
            for text in FORMS:
                answer = slots(text, zone, after, until)
                self.assertEqual(answer, year.all_slots(text), "%s in %s" % (text, zone))
                self.assertTrue(answer, text)

    def test_a_year_of_each_form_by_croniter(self):
        for zone in ZONES:
            for after, until in self.years[zone].calm():
                for text in FORMS:
                    self.assertEqual(comparable(text, zone, slots(text, zone, after, until)),
                                     comparable(text, zone, by_croniter(text, zone, after, until)),
                                     "%s in %s" % (text, zone))

    def test_every_minute_of_a_year(self):
        for zone in ZONES:
            for after, until in self.years[zone].calm():
                answer = slots("* * * * *", zone, after, until)
                self.assertEqual(answer, list(range(after // 60 * 60 + 60, until + 1, 60)))
                at = RNG.choice(answer)
                self.assertEqual(by_croniter("* * * * *", zone, at, until, 5000),
                                 list(range(at + 60, min(at + 5001 * 60, until + 1), 60)))

    def test_a_year_of_each_interval(self):
        year = self.years["UTC"]
        for text, step in EVERY.items():
            for zone in (ZONES[0], ZONES[1]):
                self.assertEqual(slots(text, zone, year.begin - 1, year.end - 1),
                                 list(range(-(-year.begin // step) * step, year.end, step)), text)

    def test_random_expressions(self):
        slots_seen = 0
        for _ in range(COUNT):
            text = random_expression(RNG)
            expression = Expression(text)
            if expression.never_comes():
                self.assertIn("never comes", slots(text, "UTC", 0, DAY)["error"])
                continue
            for zone, year in self.years.items():
                where = "seed %d, %s in %s" % (SEED, text, zone)
                after = RNG.randrange(year.begin, year.end - 40 * DAY)
                slots_seen += self.compare_changes(text, zone, year, where)
                if zone in ZONES and not expression.all_days and not expression.all_weekdays:
                    slots_seen += self.compare_croniter(text, zone, year, after, where)
        print("%d expressions, %d slots" % (COUNT, slots_seen))
        self.assertGreater(slots_seen, 10 * COUNT)

    def compare_changes(self, text, zone, year, where):
        count = 0
        for change in year.changes or [year.begin + 60 * DAY]:
            after, until = change - DAY, change + 2 * DAY
            wanted = year.slots(Expression(text), after, until)
            self.assertEqual(slots(text, zone, after, until), wanted, where)
            count += len(wanted)
        return count

    def compare_croniter(self, text, zone, year, after, where):
        begin, end = next((begin, end) for begin, end in year.calm() if after < end)
        try:
            wanted = by_croniter(text, zone, max(after, begin), end, 100)
        except CroniterBadDateError:  # "0 0 31 feb,sep 0-1/7": it overlooks the Sundays
            wanted = year.slots(Expression(text), max(after, begin), end)[:100]
        self.assertEqual(
            comparable(text, zone, slots(text, zone, max(after, begin),
                                         wanted[-1] if wanted else end)),
            comparable(text, zone, wanted), where)
        return len(wanted)

    def test_what_never_comes_is_refused_and_nothing_else(self):
        for days, months in (("30", "2"), ("30,31", "feb"), ("31", "4,6,9-11/2"), ("31", "2-4/2"),
                             ("29", "2"), ("31", "*/2"), ("30-31", "2-3"), ("1,31", "2")):
            text = "0 0 %s %s *" % (days, months)
            try:
                wanted = by_croniter(text, "UTC", 1830000000, 10 ** 10, 1)[:1]
            except CroniterBadDateError:
                wanted = "'%s' never comes: no such month has such a day" % text
            answer = slots(text, "UTC", 1830000000, 1830000000 + 8 * 366 * DAY)
            self.assertEqual(answer["error"] if "error" in answer else answer[:1], wanted)

    def test_the_slot_before_is_the_last_of_those_until_then(self):
        for zone, year in self.years.items():
            for text in FORMS:
                known = year.all_slots(text)
                moments = known[:20] + [at + d for at in known[-20:] for d in (-1, 1)] + [
                    change + d * 600 for change in year.changes for d in range(-12, 24)]
                moments = [at for at in moments if at >= known[0]]
                self.assertEqual(ask(schedule=text, zone=zone, previous=moments),
                                 [known[bisect.bisect_right(known, at) - 1] for at in moments],
                                 "%s in %s" % (text, zone))

    def test_leap_days_on_a_day_of_the_week(self):
        """At most 40 years apart: both days must fit where one field begins with a star."""
        at = int(datetime(2028, 1, 1, tzinfo=timezone.utc).timestamp())
        end = int(datetime(2130, 1, 1, tzinfo=timezone.utc).timestamp())
        wanted = [year for year in range(2028, 2130) if year % 4 == 0 and year != 2100
                  and datetime(year, 2, 29).isoweekday() == 7]
        answer = slots("0 0 29 2 */7", "UTC", at, end)
        self.assertEqual([datetime.fromtimestamp(at, timezone.utc).year for at in answer], wanted)
        self.assertEqual(max(b - a for a, b in zip(wanted, wanted[1:])), 40)

    def test_differences_from_croniter(self):
        """(expression, from, ours, croniter's), in Berlin."""
        rows = [
            # A slot that is skipped: at the change, not at the time of day that it seems to be.
            ("30 2 * * *", "2028-03-26T00:00+01:00",
             ["2028-03-26T03:00+02:00", "2028-03-27T02:30+02:00"],
             ["2028-03-26T03:30+02:00", "2028-03-27T01:30+02:00"]),
            # One that comes twice: once, and the next day at its own time of day again.
            ("30 2 * * *", "2028-10-29T00:00+02:00",
             ["2028-10-29T02:30+02:00", "2028-10-30T02:30+01:00"],
             ["2028-10-29T02:30+02:00", "2028-10-30T03:30+01:00"]),
            # An hour that comes twice has its hourly slot twice.
            ("0 * * * *", "2028-10-29T01:30+02:00",
             ["2028-10-29T02:00+02:00", "2028-10-29T02:00+01:00", "2028-10-29T03:00+01:00"],
             ["2028-10-29T02:00+02:00", "2028-10-29T03:00+01:00", "2028-10-29T04:00+01:00"]),
            # Every day of the month by a range is no star: either day suffices, as in cron.
            ("0 0 1-31 * mon", "2028-01-03T12:00+01:00",
             ["2028-01-04T00:00+01:00", "2028-01-05T00:00+01:00"],
             ["2028-01-10T00:00+01:00", "2028-01-17T00:00+01:00"]),
            # A day that February has not hides the first of March from it.
            ("0 0 1,5,31 * *", "2028-02-15T00:00+01:00",
             ["2028-03-01T00:00+01:00", "2028-03-05T00:00+01:00"], ["2028-03-05T00:00+01:00"]),
            # A week that begins at Monday ends on Saturday, and has not 7 for another Sunday.
            ("0 0 * * 1/3", "2028-01-03T12:00+01:00",
             ["2028-01-06T00:00+01:00", "2028-01-10T00:00+01:00"],
             ["2028-01-06T00:00+01:00", "2028-01-09T00:00+01:00"]),
        ]
        show = lambda found: [datetime.fromtimestamp(at, ZoneInfo("Europe/Berlin")).isoformat(
            timespec="minutes") for at in found]
        for text, begin, ours, theirs in rows:
            after = round(datetime.fromisoformat(begin).timestamp())
            self.assertEqual(show(slots(text, "Europe/Berlin", after, after + 60 * DAY)
                                  [:len(ours)]), ours, text)
            self.assertEqual(show(by_croniter(text, "Europe/Berlin", after, after + 60 * DAY,
                                              len(theirs))), theirs, text)
        # By default croniter takes only a bare star for one; cron, a star with a step too.
        after = round(datetime.fromisoformat("2028-01-03T12:00+01:00").timestamp())
        loose = croniter("0 0 */2 * mon", datetime.fromtimestamp(after, ZoneInfo("Europe/Berlin")))
        self.assertEqual(show([loose.get_next(float)]), ["2028-01-05T00:00+01:00"])
        self.assertEqual(show(slots("0 0 */2 * mon", "Europe/Berlin", after, after + 30 * DAY)),
                         ["2028-01-17T00:00+01:00", "2028-01-31T00:00+01:00"])


class Zone(unittest.TestCase):
    def moments(self, zone):
        """About every change until 2040, and now and then later."""
        offset = lambda at: datetime.fromtimestamp(at, zone).utcoffset()
        found, step = [], 20 * DAY
        for low in range(0, int(2.2e9), step):
            if offset(low) == offset(low + step):
                continue
            a, b = low, low + step
            while b - a > 1:
                middle = (a + b) // 2
                a, b = (middle, b) if offset(middle) == offset(low) else (a, middle)
            found += [a, b]
        return found + [RNG.randrange(13_500_000_000) for _ in range(30)]  # the year 2397

    def test_every_zone_has_the_offsets_that_python_knows(self):
        names, compared = sorted(available_timezones() - {"localtime"}), 0
        self.assertGreater(len(names), 400)
        for name in names:
            zone = ZoneInfo(name)
            moments = self.moments(zone)
            self.assertEqual(ask(zone=name, offsets=moments),
                             [round(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())
                              for at in moments], name)
            compared += len(moments)
        print("%d zones at %d moments" % (len(names), compared))


if __name__ == "__main__":
    PROGRAM, COUNT = sys.argv[1], int(sys.argv[2])
    SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10 ** 9)
    RNG = random.Random(SEED)
    with subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as PROCESS:
        RUN = unittest.main(argv=sys.argv[:1], exit=False)
    sys.exit(0 if RUN.result.wasSuccessful() and PROCESS.returncode == 0 else 1)
