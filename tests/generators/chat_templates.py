"""Goldens of chat templates: jinja2 with the settings of transformers 4.57 (utils/chat_template_utils.py).

Needs jinja2 3.1. Usage: python tests/generators/chat_templates.py
Reads tests/golden/chat/templates/*.jinja, writes tests/golden/chat/cases.json: every template with every
conversation, then rows of single features. "text" is what jinja2 renders; "fails" stands where it raises.
"""
import datetime
import json
from pathlib import Path

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "chat"
NOW = datetime.datetime(2025, 3, 9, 14, 5, 7)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "additional_special_tokens": ["<a>", "<b>"]}


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return env


def render(source, variables):
    try:
        return {"text": environment().from_string(source).render(**variables)}
    except Exception as error:
        return {"fails": str(error)}


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather at a place.",
        "parameters": {"type": "object", "required": ["place"], "properties": {
            "place": {"type": "string", "description": "A town, like \"Łódź\""},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "days": {"type": "array", "items": {"type": "integer"}}}},
        "return": {"type": ["string", "null"]}}},
    {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}},
]
CALL = {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"place": "Łódź", "days": [1, 2], "x": None, "y": 0.5}}}


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


PARTS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this? "}]},
         {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
         {"role": "user", "content": [{"type": "text", "text": "And this?"}, {"type": "image", "image": "b.png"}, {"type": "video"}]}]
CONVERSATIONS = [
    ("user", dict(messages=said(("user", "Hello")))),
    ("user, prompt", dict(messages=said(("user", "  Hello, wörld!\n")), add_generation_prompt=True)),
    ("turns", dict(messages=said(("system", "Be brief."), ("user", "Hi"), ("assistant", " Hello \n"), ("user", "Bye\r\n\n\n日本")), add_generation_prompt=True)),
    ("ends with assistant", dict(messages=said(("user", "Hi"), ("assistant", "<think>\nhm\n</think>\n\nHello")))),
    ("two users", dict(messages=said(("user", "Hi"), ("user", "Ho")), add_generation_prompt=True)),
    ("empty", dict(messages=[])),
    ("tools", dict(messages=said(("user", "Weather?")), tools=TOOLS, add_generation_prompt=True)),
    ("tool calls", dict(messages=said(("user", "Weather?")) + [{"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "sunny"}, {"role": "tool", "content": "7 o'clock"}] + said(("assistant", "It is sunny."), ("user", "Thanks")), tools=TOOLS, add_generation_prompt=True)),
    ("parts", dict(messages=PARTS, add_generation_prompt=True)),
    ("parts with ids", dict(messages=PARTS, extra={"add_vision_id": True})),
    ("documents", dict(messages=said(("user", "Who?")), documents=[{"title": "a", "text": "Line one\nline two\n\nline four"}, {"title": "b", "text": "x"}], extra={"controls": {"length": "short"}, "enable_thinking": False}, add_generation_prompt=True)),
]

DATA = {"n": 7, "neg": -3, "f": 2.5, "t": True, "z": None, "s": "Straße ünd", "l": [3, 1, 2], "d": {"b": 1, "a": [1, {"c": None}], "items": 5},
        "people": [{"name": "Bo", "age": 3, "in": {"x": 1}}, {"name": "al", "age": 2, "in": {"x": 2}}, {"name": "Cy", "age": 3, "in": {}}], "e": [], "quote": "it's \"q\"\\\n\t\x01é\U0001f600"}
FEATURES = """
{{ 1 + 2 * 3 - 4 / 2 }}|{{ 7 // 2 }}|{{ -7 // 2 }}|{{ 7 % 3 }}|{{ -7 % 3 }}|{{ 2 ** 10 }}|{{ 2 ** -1 }}|{{ 7.5 // 2 }}|{{ -7.5 % 2 }}
{{ 1 / 3 }}|{{ 1e16 }}|{{ 1e15 }}|{{ 0.0001 }}|{{ 0.00001 }}|{{ 100.0 }}|{{ 1.5e300 }}|{{ 12345678.9 }}
{{ 1_000 + 1 }}|{{ f + 1 }}|{{ t + 1 }}|{{ -n }}|{{ +n }}|{{ -f }}|{{ - -n }}
{{ "a" "b" 'c' }}|{{ 'x\\ty\\n\\u00e9\\x41\\101\\q' }}|{{ "it's" }}|{{ 'é日' | length }}
{{ 'a' ~ 1 ~ none ~ 2.0 ~ true ~ nope }}|{{ 'ab' * 2 }}|{{ 2 * [1, 2] }}|{{ [1] + [2] }}
{{ n == 7 }}|{{ n != 7 }}|{{ 1 < 2 < 3 }}|{{ 1 < 2 > 3 }}|{{ 'a' < 'b' }}|{{ 1 == 1.0 }}|{{ true == 1 }}|{{ '1' == 1 }}|{{ none == nope }}
{{ 'a' in 'cat' }}|{{ 3 in l }}|{{ 'b' in d }}|{{ 'z' not in d }}|{{ not 1 }}|{{ not 'a' in 'b' }}
{{ 1 and 0 or 'x' }}|{{ e or 'empty' }}|{{ nope and 1 }}|{{ none or none }}|{{ 0 or '' }}
{{ 'y' if t else 'n' }}|{{ 'y' if z }}|{{ 'a' if z else 'b' if nope else 'c' }}
{{ l[0] }}|{{ l[-1] }}|{{ l[9] }}|{{ l[1:] }}|{{ l[:-1] }}|{{ l[::-1] }}|{{ l[-2:] }}|{{ l[5:] }}|{{ l[::2] }}|{{ l[2:0:-1] }}|{{ l[:100] }}
{{ s[0] }}|{{ s[-1] }}|{{ s[4:6] }}|{{ s[::-1] }}|{{ s[:-2] }}|{{ d.b }}|{{ d['b'] }}|{{ d.a[1].c }}|{{ d['items'] }}|{{ d.nope }}|{{ d.nope is defined }}
{{ d }}|{{ l }}|{{ quote }}|{{ [quote] }}|{{ [none, true, 1.0, 'a'] }}|{{ {} }}|{{ [] }}|{{ {'a': "it's"} }}
{{ d | tojson }}|{{ quote | tojson }}|{{ quote | tojson(ensure_ascii=true) }}|{{ d | tojson(indent=2) }}|{{ d | tojson(sort_keys=true, separators=(',', ':')) }}
{{ [] | tojson(indent=2) }}|{{ {} | tojson(indent=2) }}|{{ 1.0 | tojson }}|{{ [1, [2]] | tojson(indent=1) }}|{{ true | tojson }}|{{ "a\\tb" | tojson }}
{{ nope }}|{{ nope is defined }}|{{ nope is undefined }}|{{ nope | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ nope | d }}|{{ nope | length }}
{{ nope.x }}
{{ z.x }}|{{ z.x is defined }}
{{ z.x.y }}
{{ nope() }}
{{ nope + 1 }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ 1 // 0 }}
{{ [1] < 'a' }}
{{ l.append(4) }}
{{ d.update({}) }}
{{ 3 | nofilter }}
{{ 3 is notest }}
{{ raise_exception('no, ' ~ n) }}
{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.depth }};{% endfor %}
{% for p in people %}{% if loop.changed(p.age) %}[{{ p.age }}]{% endif %}{{ p.name }} {% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}|{% for k in d %}{{ k }}{% endfor %}|{% for v in d.values() %}{{ v }}{% endfor %}|{{ d.keys() | list }}
{% for x in e %}x{% else %}none{% endfor %}|{% for x in nope %}x{% else %}none{% endfor %}|{% for c in 'añb' %}{{ c }}.{% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}|{% for x in l if x > 9 %}{% else %}no{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}
{% for a in [[1, [[2, []], [3, []]]]] recursive %}{{ a[0] }}@{{ loop.depth }}({{ loop(a[1]) }}){% endfor %}
{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}|{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}|{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set ns = namespace(x=1, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.z }}{{ ns['x'] }}
{% set ns = {} %}{% set ns.x = 1 %}
{% set x %}a{{ n }}b{% endset %}{{ x }}|{% set y | upper | replace('A', 'x') %}ab{% endset %}{{ y }}|{{ x | length }}
{% macro m(a, b=2, c=a) %}[{{ a }},{{ b }},{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=5) }}{{ m(*[7, 8]) }}{{ m(**{'a': 9}) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro m() %}{{ y }}{% endmacro %}{{ m() }}{% set y = 3 %}{{ m() }}
{% macro m(t) %}<{{ t }}:{{ caller('p') }}>{% endmacro %}{% call(q) m('x') %}{{ q }}{{ n }}{% endcall %}
{% filter upper | replace('A', '4') %}abc{{ n }}{% endfilter %}|{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a }}
{% raw %}{{ n }}{% if %}{% endraw %}|{%- raw -%}  x  {%- endraw -%}  y
{# c #}a{#- b -#}  c  {#+ d #}e
{% generation %}x{% set q = 1 %}{% endgeneration %}{{ q }}
{{ people | map(attribute='name') | join(', ') }}|{{ people | map(attribute='in.x', default='-') | list }}|{{ l | map('string') | join }}|{{ ['a', 'b'] | map('upper') | list }}
{{ people | selectattr('age', 'equalto', 3) | map(attribute='name') | list }}|{{ people | rejectattr('age', '>', 2) | list | length }}|{{ people | selectattr('in') | list | length }}
{{ l | select('odd') | list }}|{{ l | reject('in', [1]) | list }}|{{ [0, 1, '', 'a'] | select | list }}|{{ 'yes' if e | select else 'no' }}|{{ 'yes' if e | select | list else 'no' }}
{{ l | select('odd') | length }}
{{ l | sort }}|{{ l | sort(reverse=true) }}|{{ people | sort(attribute='age') | map(attribute='name') | list }}|{{ people | sort(attribute='name') | map(attribute='name') | list }}|{{ ['b', 'A', 'a'] | sort }}|{{ ['b', 'A', 'a'] | sort(case_sensitive=true) }}
{{ d | dictsort | map('first') | list }}|{{ {'b': 1, 'A': 2} | dictsort | map('last') | list }}|{{ {'b': 1, 'A': 2} | dictsort(by='value') | map('join') | list }}|{{ {'b': 1, 'A': 2} | items | map('list') | list }}
{{ [1, 2, 1, 'a', 'A'] | unique | list }}|{{ l | reverse | list }}|{{ 'abc' | reverse }}|{{ range(7) | batch(3) | list }}|{{ range(4) | batch(3, 'x') | list }}
{{ l | sum }}|{{ people | sum(attribute='age') }}|{{ l | min }}|{{ l | max }}|{{ l | first }}|{{ l | last }}|{{ e | first }}|{{ 'abc' | first }}|{{ 'abc' | last }}
{{ l | join('-') }}|{{ 'abc' | join(',') }}|{{ 'abc' | list }}|{{ d | list }}|{{ d | length }}|{{ s | count }}|{{ people[0] | attr('name') }}
{{ '  a b  ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ s | upper }}|{{ s | lower }}|{{ 'hELLO wORLD' | capitalize }}|{{ "hello wORLD it's" | title }}|{{ '\\u3000a\\u00a0' | trim }}
{{ 'aXbXc' | replace('X', '-') }}|{{ 'aXbXc' | replace('X', '-', 1) }}|{{ 'abc' | replace('', '.') }}|{{ 5 | string ~ 1 }}|{{ 'a b  c' | wordcount }}
{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent('>', blank=true) }}|{{ 'ab' | center(7) }}|{{ 'abc' | center(8) }}
{{ 'hello big world' | truncate(9) }}|{{ 'hello big world' | truncate(9, true) }}|{{ 'hello big world' | truncate(9, leeway=0) }}|{{ 'hi' | truncate(9) }}|{{ 'hello big world' | truncate(11, false, '!', 0) }}
{{ '<a href="x">&\\'' | e }}|{{ '<b>' | escape }}|{{ '<b>' | safe }}|{{ 'a b/ü' | urlencode }}
{{ '42' | int }}|{{ '4.7' | int }}|{{ 'x' | int }}|{{ 'x' | int(-1) }}|{{ 3.99 | int }}|{{ '2.5' | float }}|{{ 'x' | float }}|{{ -3 | abs }}|{{ -2.5 | abs }}
{{ 2.5 | round }}|{{ 3.5 | round }}|{{ 2.345 | round(2) }}|{{ 2.341 | round(2, 'ceil') }}|{{ 2.349 | round(1, 'floor') }}|{{ 7 | round }}|{{ 1234.5 | round(-2) }}
{{ '%s is %d' | format('a', 3) }}|{{ '%s-%s' % (1, 'b') }}|{{ '%.2f%%' % f }}|{{ '%03d' % 7 }}|{{ '{} {x} {} {{}}'.format(1, 2, x=3) }}|{{ '{1}{0}'.format('a', 'b') }}|{{ '%r' % ('a',) }}
{{ 'a,b,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a,b,c'.split(',', 1) }}|{{ 'a,b,c'.rsplit(',', 1) }}|{{ 'a b c'.split(maxsplit=1) }}|{{ 'a b c'.rsplit(None, 1) }}|{{ 'a\\nb\\r\\nc'.splitlines() }}|{{ ''.split(',') }}|{{ ''.split() }}
{{ 'abc'.startswith('a') }}|{{ 'abc'.startswith(('x', 'ab')) }}|{{ 'abc'.endswith('bc') }}|{{ 'abc'.find('c') }}|{{ 'abc'.find('x') }}|{{ 'abcabc'.rfind('b') }}|{{ 'éabc'.index('a') }}|{{ 'abcabc'.count('b') }}
{{ 'abc'.index('x') }}
{{ '  a '.strip() }}|{{ '  a '.lstrip() }}|{{ '  a '.rstrip() }}|{{ 'xya'.strip('yx') }}|{{ 'abc'.removeprefix('a') }}|{{ 'abc'.removesuffix('c') }}|{{ 'aXb'.replace('X', '') }}|{{ 'a-b-c'.partition('-') | list }}|{{ 'a-b-c'.rpartition('-') | list }}
{{ 'Ab'.upper() }}|{{ 'Ab'.lower() }}|{{ 'ab cd'.title() }}|{{ 'aB'.capitalize() }}|{{ ', '.join(['a', 'b']) }}|{{ '12'.isdigit() }}|{{ 'ab'.isalpha() }}|{{ 'a1'.isalnum() }}|{{ 'a1'.isalpha() }}|{{ ' '.isspace() }}|{{ 'AB'.isupper() }}|{{ 'aB'.islower() }}|{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '.') }}
{{ d.get('b') }}|{{ d.get('q') }}|{{ d.get('q', 'w') }}|{{ l.index(2) }}|{{ l.count(1) }}|{{ 'x' if d.items else 'y' }}
{{ n is number }}|{{ n is integer }}|{{ f is float }}|{{ t is boolean }}|{{ t is integer }}|{{ t is number }}|{{ s is string }}|{{ l is sequence }}|{{ d is mapping }}|{{ l is iterable }}|{{ s is iterable }}|{{ n is iterable }}|{{ z is none }}|{{ nope is none }}|{{ t is true }}|{{ 1 is true }}|{{ d is sequence }}
{{ 4 is even }}|{{ 3 is odd }}|{{ 6 is divisibleby 3 }}|{{ 6 is divisibleby(4) }}|{{ 'a' is in 'abc' }}|{{ 3 is in(l) }}|{{ 3 is eq 3 }}|{{ 3 is ne 3 }}|{{ 3 is lt 4 }}|{{ 3 is ge 4 }}|{{ 'a' is lower }}|{{ 'A' is upper }}|{{ t is sameas true }}|{{ range is callable }}|{{ s is callable }}|{{ n is not none }}
{{ range(3) | list }}|{{ range(1, 4) | list }}|{{ range(5, 0, -2) | list }}|{{ dict(a=1, b=2) }}|{{ dict({'x': 1}, y=2) }}
{{ range(1000000) | list | length }}
{{ ' 1 2 3 '.split(none, 1) }}|{{ ' 1 2 3 '.rsplit(none, 1) }}|{{ ' 1 2 3 '.split(none, 0) }}|{{ [none, none] | sort }}|{{ [[1, none], [0, none]] | sort }}|{{ nope is callable }}
{{ (d | items)[1:] }}
{{ d[1:] }}
{{ [none, 1] | sort }}
{% set größe = 2 %}{{ größe }}
{{ strftime_now('%d %b %Y %H:%M') }}|{{ strftime_now('%A, %B %-d') }}
{{ (1, 2)[0] }}|{{ (1,) | list }}|{{ () | list }}|{{ [1, 2,] }}|{{ {'a': 1,} }}|{{ (1) }}
{{ bos_token }}{{ additional_special_tokens[1] }}|{{ tools is none }}|{{ tools is defined }}|{{ documents }}|{{ add_generation_prompt }}
{{ d.a.1.c }}|{{ l.0 }}|{{ people[0].name }}|{{ people[0]['in']['x'] }}|{{ people[-1]['in'].x is defined }}
{{ 'a' if n is defined and n > 3 else 'b' }}|{{ 'x' if s is string else 'y' }}|{{ (n is defined) | string }}
{{ - 3 | abs }}|{{ 'a' ~ 'b' | upper }}|{{ 2 + 3 | string | length }}|{{ not n is none }}|{{ n in [7] and t }}
{{ '}}' }}{{ '{{' }}{{ "%}" }}|{{ {'a': {'b': 1}}['a']['b'] }}
{{- n -}}|   {{- n }}   {{ n -}}   x
""".strip("\n").split("\n")
BLOCKS = [  # white space over several lines
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if t %}\n  b\n  {%- endif %}\nc\n\n",
    "a\n  {% if t -%}\n  b\n  {% endif -%}\n  c",
    "a\n  {%+ if t %}\n  b\n  {%+ endif +%}\nc",
    "  {% for x in l %}\n  {{ x }}\n  {% endfor %}\n  end\n",
    "a {% if t %} b {% endif %} c\n {# comment #}\n d {# e #}\n f",
    "{% set x = 1 %}\n\n{{ x }}\n\n\n",
    "a\r\n{% if t %}\r\nb\r\n{% endif %}\r\n",
    "x\t{% if t %}\ty{% endif %}\n\t {% if t %}z{% endif %}",
    "{#- a -#}\n\n b \n{#- c #}\n d",
    "  {{ n }}  \n  {{- n }}\n  {{ n -}}  \n  z",
    "  {% raw %}\n a {{ n }}\n  {% endraw %}\n b",
    "{% if t %}\n{% if t %}\nx\n{% endif %}\n{% endif %}\ny",
    "{% if n == 1 %}a{% elif n == 7 %}b{% elif t %}c{% else %}d{% endif %}",
    "{% if nope %}a{% elif z %}b{% else %}d{% endif %}",
    "{{ [\n  1,\n  2\n] }}\n{{ n\n  | string\n  ~ 'a' }}",
]
BROKEN = ["{{ 1", "{% if t %}", "{% for x l %}{% endfor %}", "{% endif %}", "{{ }}", "{{ 'a }}", "{# a", "{% bogus %}", "{{ a b }}", "{{ (1 }}", "{{ 1 ] }}",
          "{{ ‘a’ }}", "{% include 'x' %}", "{% raw %}a", "{{ ? }}", "{{ a. }}", "{{ a | }}", "{{ a is }}", "{% set %}", "{% set 1 = 2 %}", "{% macro %}{% endmacro %}", "{% break %}",
          "{% if t %}{% endfor %}", "{{ 99999999999999999999 ~ }}", "{% for x in l %}a", "{% else %}", "{{ [1, }}", "{{ {'a' 1} }}", "{% call 3 %}{% endcall %}"]


def main():
    cases = []
    for path in sorted((GOLDEN / "templates").glob("*.jinja")):
        source = path.read_text()
        for name, options in CONVERSATIONS:
            variables = {**TOKENS, **options.get("extra", {}), **{k: options.get(k) for k in ("messages", "tools", "documents")},
                         "add_generation_prompt": options.get("add_generation_prompt", False)}
            cases.append({"name": f"{path.stem}, {name}", "template": path.name, **options, **render(source, variables)})
    for source in FEATURES + BLOCKS:
        variables = {**TOKENS, **DATA, "messages": [], "tools": None, "documents": None, "add_generation_prompt": False}
        cases.append({"name": source, "source": source, "extra": DATA, "messages": [], **render(source, variables)})
    for source in BROKEN:
        result = render(source, {"l": [1], "t": True})
        assert "fails" in result, source
        cases.append({"name": source, "source": source, "messages": [], "broken": True, **result})
    (GOLDEN / "cases.json").write_text(json.dumps({"tokens": TOKENS, "cases": cases}, indent=1, ensure_ascii=False) + "\n")
    print(len(cases), "cases,", sum("fails" in c for c in cases), "of them fail")


main()
