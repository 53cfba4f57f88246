'use strict';
// Draws what /events sends, four times a second. Nothing here is markup from elsewhere: all text goes
// through textContent.
const $ = id => document.getElementById(id);
const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const NS = 'http://www.w3.org/2000/svg';
const draw = (name, attributes) => {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const dress = (element, name) => { if (element.className !== name) element.className = name; };
const words = text => String(text).replaceAll('_', ' ');
const age = s => s == null ? '' : s < 60 ? s.toFixed(1) + ' s' : s < 3600 ? (s / 60).toFixed(0) + ' min'
  : s < 86400 ? (s / 3600).toFixed(1) + ' h' : (s / 86400).toFixed(1) + ' d';
const time = s => s == null ? '–' : s < 0.01 ? (s * 1000).toFixed(1) + ' ms' : s < 1
  ? (s * 1000).toFixed(0) + ' ms' : s.toFixed(2) + ' s';
const size = n => n < 1024 ? n + ' B' : n < 1048576 ? (n / 1024).toFixed(0) + ' KiB'
  : n < 1073741824 ? (n / 1048576).toFixed(1) + ' MiB' : (n / 1073741824).toFixed(1) + ' GiB';
const of = (used, limit) => limit == null ? String(used) : used + ' of ' + limit;

const MARKS = { up: '● up', suspect: '◐ suspect', down: '▼ down', draining: '◌ draining',
  disabled: '■ disabled' };
const LANES = { waiting_for_job: 'idle', leading_poll: 'poll', reading_client: 'read',
  choosing: 'choose', connecting: 'connect', writing_backend: 'send', waiting_for_backend: 'wait',
  writing_client: 'answer' };
// More backends than this are shown on demand: those that are not up, or busiest, come first.
const MOST_ROWS = 30;
const LANE_SAMPLES = 120;

const token = () => sessionStorage.getItem('lb-token');
const headers = more => token() ? { ...more, Authorization: 'Bearer ' + token() } : more;

async function post(path, body) {
  try {
    const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body),
      headers: headers({ 'Content-Type': 'application/json' }) });
    const value = await answer.json();
    if (!answer.ok) return report(value.error || 'refused: ' + answer.status);
    report(value.empty === false ? value.in_flight + ' under way there, it finishes them' : 'done');
  } catch (error) { report('no answer: ' + error.message); }
}
const report = text => say($('said'), text);

function button(text, label, act) {
  const element = make('button', { type: 'button', 'aria-label': label }, text);
  element.addEventListener('click', act);
  return element;
}

// A table whose rows are kept by key, so that only what has changed is written.
class Rows {
  constructor(body, columns, build) { Object.assign(this, { body, columns, build, rows: new Map() }); }
  show(items, key, fill) {
    const seen = new Set();
    let before = null;
    for (const item of items) {
      const id = key(item);
      seen.add(id);
      let row = this.rows.get(id);
      if (!row) {
        row = { tr: make('tr'), cells: {} };
        for (const [name, label, kind] of this.columns) {
          row.cells[name] = make('td', { 'data-label': label, class: kind || '' });
          row.tr.append(row.cells[name]);
        }
        this.build?.(row, item);
        this.rows.set(id, row);
      }
      fill(row.cells, item, row);
      const place = before ? before.nextSibling : this.body.firstChild;
      if (place !== row.tr) this.body.insertBefore(row.tr, place);
      before = row.tr;
    }
    for (const [id, row] of this.rows) if (!seen.has(id)) { row.tr.remove(); this.rows.delete(id); }
  }
}

const BACKEND = [['name', '', 'name'], ['state', ''], ['since', 'for', 'number'],
  ['why', 'why', 'why'], ['check', 'next check', 'number'], ['share', 'share', 'number'],
  ['rate', 'req/s', 'number'], ['busy', 'in flight', 'number'], ['quick', 'p50', 'number'],
  ['slow', 'p99', 'number'], ['minute', 'minute'], ['checks', 'checks'], ['act', '', 'act']];
const REQUEST = [['age', 'for', 'number'], ['client', 'client'], ['target', '', 'target'],
  ['backend', 'backend'], ['stage', 'stage'], ['attempt', 'attempt', 'number'],
  ['bytes', 'bytes in/out', 'number'], ['waits', 'waits for', 'why'], ['act', '', 'act']];

function table(columns) {
  const head = make('tr');
  for (const [name, label, kind] of columns) {
    head.append(make('th', { scope: 'col', class: kind === 'number' ? kind : '' },
      label || ({ act: '', target: 'request', name: 'backend' }[name] ?? name)));
  }
  const body = make('tbody');
  return [make('table', {}, make('thead', {}, head), body), body];
}

const groups = new Map();
function groupOf(name) {
  let group = groups.get(name);
  if (group) return group;
  const [element, body] = table(BACKEND);
  const parts = { heading: make('h2', {}, 'Group ' + name), facts: make('span', { class: 'soft' }) };
  const all = button('', 'show all backends of ' + name, () => { group.isOpen = !group.isOpen; });
  const section = make('section', { 'aria-label': 'group ' + name },
    make('div', { class: 'title' }, parts.heading, parts.facts, all), element);
  $('groups').append(section);
  group = { section, facts: parts.facts, all, isOpen: false, rows: new Rows(body, BACKEND,
    (row, backend) => {
      const path = '/groups/' + encodeURIComponent(name) + '/backends/'
        + encodeURIComponent(backend.name) + '/state';
      const set = state => post(path, { state });
      row.buttons = {
        draining: button('drain', 'drain ' + backend.name, () => set('drain')),
        disabled: button('disable', 'disable ' + backend.name, () => {
          if (confirm('Disable ' + backend.name + '? It gets nothing at all, not even checks.')) set('disable');
        }),
        enabled: button('enable', 'enable ' + backend.name, () => set('enable')),
      };
      row.cells.act.append(...Object.values(row.buttons).flatMap(one => [one, ' ']));
    }) };
  groups.set(name, group);
  return group;
}

const RANK = { down: 0, suspect: 1, draining: 2, disabled: 3, up: 4 };
function notable(backends) {
  const order = [...backends].sort((a, b) => RANK[a.state] - RANK[b.state]
    || b.in_flight - a.in_flight);
  const chosen = new Set(order.slice(0, MOST_ROWS));
  return backends.filter(backend => chosen.has(backend));
}

function showGroup(value) {
  const group = groupOf(value.name);
  const count = value.backends.length;
  const up = value.backends.filter(backend => backend.state === 'up').length;
  say(group.facts, [up + ' of ' + count + ' up', value.algorithm,
    value.requests_per_second.toFixed(1) + ' req/s', of(value.in_flight, value.max_in_flight) + ' in flight',
    'queue ' + of(value.queue.length, value.queue.limit),
    value.silence_mode ? 'MOST ARE SILENT: used all the same' : ''].filter(Boolean).join(' · '));
  group.all.hidden = count <= MOST_ROWS;
  say(group.all, group.isOpen ? 'show the notable ones' : 'show all ' + count);
  const shown = count <= MOST_ROWS || group.isOpen ? value.backends : notable(value.backends);
  group.rows.show(shown, backend => backend.name, showBackend);
}

function showBackend(cells, backend, row) {
  const wanted = row.buttons[backend.state] ? backend.state : 'enabled';
  for (const [state, one] of Object.entries(row.buttons)) one.disabled = state === wanted;
  say(cells.name, backend.name);
  say(cells.state, MARKS[backend.state] || backend.state);
  dress(cells.state, 'state ' + backend.state);
  say(cells.since, age(backend.since_seconds));
  const more = [backend.differs_from_file ? 'changed by hand' : '', backend.is_backup ? 'backup' : '',
    backend.weight !== 1 ? 'weight ' + backend.weight : ''];
  say(cells.why, [backend.reason, ...more].filter(Boolean).join('; '));
  say(cells.check, backend.next_check_seconds == null ? '' : age(Math.max(0, backend.next_check_seconds)));
  say(cells.share, (backend.share * 100).toFixed(0) + ' %');
  say(cells.rate, backend.requests_per_second.toFixed(1));
  say(cells.busy, of(backend.in_flight, backend.max_in_flight));
  say(cells.quick, time(backend.p50_seconds));
  say(cells.slow, time(backend.p99_seconds));
  sparkline(cells.minute, backend.history);
  strip(cells.checks, backend.checks);
}

function sparkline(cell, history) {
  const key = JSON.stringify(history);
  if (cell.dataset.key === key) return;
  cell.dataset.key = key;
  const svg = draw('svg', { width: 120, height: 18, role: 'img' });
  const most = Math.max(1, ...history.map(([requests]) => requests));
  const total = history.reduce((sum, [requests]) => sum + requests, 0);
  const errors = history.reduce((sum, [, failed]) => sum + failed, 0);
  svg.setAttribute('aria-label', total + ' requests in a minute, ' + errors + ' errors');
  const points = history.map(([requests], at) => (at * 2) + ',' + (17 - 15 * requests / most).toFixed(1));
  svg.append(draw('polyline', { points: points.join(' '), fill: 'none', stroke: 'currentColor' }));
  history.forEach(([, failed], at) => {
    if (failed) svg.append(draw('rect', { x: at * 2 - 1, y: 0, width: 2, height: 18, class: 'bad', fill: 'currentColor' }));
  });
  cell.replaceChildren(svg);
}

// Good checks are high, late ones half as high, bad ones low: not the colour alone tells.
function strip(cell, checks) {
  const key = checks.join();
  if (cell.dataset.key === key) return;
  cell.dataset.key = key;
  const svg = draw('svg', { width: 120, height: 14, role: 'img' });
  const bad = checks.filter(check => check !== 'good').length;
  svg.setAttribute('aria-label', checks.length + ' checks, ' + bad + ' of them not good');
  checks.forEach((check, at) => {
    const height = { good: 13, late: 8, bad: 4 }[check];
    svg.append(draw('rect', { x: at * 4, y: 14 - height, width: 3, height, class: check, fill: 'currentColor' }));
  });
  cell.replaceChildren(svg);
}

let requestRows;
function showRequests(requests) {
  if (!requestRows) {
    const [element, body] = table(REQUEST);
    $('running').append(element);
    requestRows = { element, rows: new Rows(body, REQUEST, (row, request) => {
      row.cells.act.append(button('close', 'close request ' + request.id, () => {
        if (confirm('Close the connection of this client?')) post('/requests/' + request.id + '/close', {});
      }));
    }) };
  }
  requestRows.element.hidden = requests.length === 0;
  say($('none-run'), requests.length ? '' : 'Nothing runs at this moment.');
  requestRows.rows.show(requests, request => request.id, (cells, request) => {
    say(cells.age, age(request.age_seconds));
    say(cells.client, request.client);
    say(cells.target, request.method + ' ' + request.target);
    say(cells.backend, request.backend || '–');
    say(cells.stage, words(request.stage));
    say(cells.attempt, String(request.attempt));
    say(cells.bytes, size(request.bytes_received) + ' / ' + size(request.bytes_sent));
    const until = request.until_seconds == null ? '' : ', ' + age(request.until_seconds) + ' more';
    say(cells.waits, request.waits_for ? request.waits_for + until : '');
  });
}

function showChanges(changes) {
  const list = $('changes');
  const key = JSON.stringify(changes.map(change => [change.time, change.text]));
  if (list.dataset.key !== key) {
    list.dataset.key = key;
    list.replaceChildren(...changes.map(change => make('li', {},
      make('span', { class: 'soft number' }, ''), ' ',
      make('strong', {}, [change.group === 'default' ? '' : change.group, change.backend].filter(Boolean).join(' ')),
      ' ' + change.text)));
    say($('none-changed'), changes.length ? '' : 'Nothing in the last minute.');
  }
  changes.forEach((change, at) => say(list.children[at].firstChild, age(change.seconds_ago) + ' ago'));
}

const lanes = new Map();
let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const [state, name] of Object.entries(LANES)) colours[state] = style.getPropertyValue('--lane-' + name).trim();
}
function showWorkers(workers) {
  $('workers').hidden = workers.length === 0;
  for (const worker of workers) {
    let lane = lanes.get(worker.name);
    if (!lane) {
      lane = { past: [], text: make('span', { class: 'soft' }), canvas: make('canvas', { width: 480, height: 14, 'aria-hidden': 'true' }) };
      $('lanes').append(make('div', { class: 'lane' }, make('span', {}, worker.name), lane.text, lane.canvas));
      lanes.set(worker.name, lane);
    }
    lane.past.push(worker.state);
    if (lane.past.length > LANE_SAMPLES) lane.past.shift();
    say(lane.text, words(worker.state) + (worker.session == null ? '' : ' #' + worker.session));
    const pen = lane.canvas.getContext('2d');
    const width = lane.canvas.width / LANE_SAMPLES;
    pen.clearRect(0, 0, lane.canvas.width, 14);
    const start = LANE_SAMPLES - lane.past.length;
    lane.past.forEach((state, at) => {
      pen.fillStyle = colours[state] || '#888';
      const height = state === 'waiting_for_job' ? 4 : state === 'leading_poll' ? 8 : 14;
      pen.fillRect((start + at) * width, 14 - height, width, height);
    });
  }
}
function showLegend() {
  for (const [state, name] of Object.entries(LANES)) {
    const dot = make('span', { class: 'dot', 'aria-hidden': 'true' });
    dot.style.background = 'var(--lane-' + name + ')';
    $('legend').append(make('span', {}, dot, words(state)));
  }
}

function showParked(parked) {
  const chips = Object.entries(parked).map(([stage, count]) => words(stage) + ': ' + count);
  const box = $('parked');
  chips.forEach((text, at) => {
    if (!box.children[at]) box.append(make('span', { class: 'chip' }));
    say(box.children[at], text);
  });
}

function show({ status, requests }) {
  say($('version'), 'lb ' + status.version);
  say($('state'), words(status.state) + (status.ready ? ', ready' : ', not ready: ' + status.not_ready.join(', ')));
  dress($('state'), 'state ' + (status.ready ? 'up' : 'down'));
  say($('facts'), 'for ' + age(status.uptime_seconds) + ' · ' + of(status.connections.used, status.connections.limit)
    + ' connections · ' + size(status.memory.used) + ' of ' + size(status.memory.limit)
    + (status.log_lines_dropped ? ' · ' + status.log_lines_dropped + ' log lines dropped' : ''));
  showChanges(status.changes);
  const names = new Set(status.groups.map(group => group.name));
  for (const [name, group] of groups) if (!names.has(name)) { group.section.remove(); groups.delete(name); }
  status.groups.forEach(showGroup);
  showRequests(requests);
  showWorkers(status.workers);
  showParked(status.parked);
  $('plain')?.remove();
  $('live').hidden = false;
}

let seen = Date.now();
function stale(text) {
  $('stale').hidden = !text;
  say($('stale'), text);
}
async function follow() {
  try {
    const answer = await fetch('/events', { headers: headers({}), cache: 'no-store' });
    $('ask-token').hidden = answer.status !== 401;
    if (!answer.ok) throw new Error('answered ' + answer.status);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; ;) {
      const { value, done } = await reader.read();
      if (done) throw new Error('the stream has ended');
      text += value;
      const parts = text.split('\n\n');
      text = parts.pop();
      if (!parts.length) continue;
      // Of several, the last one is what is there now.
      show(JSON.parse(parts.at(-1).slice('data: '.length)));
      seen = Date.now();
      stale('');
    }
  } catch (error) {
    stale('What is shown is from ' + new Date(seen).toLocaleTimeString() + ': ' + error.message + '; trying again.');
  }
  setTimeout(follow, 1000);
}
$('ask-token').addEventListener('submit', event => {
  event.preventDefault();
  sessionStorage.setItem('lb-token', $('token').value);
  $('ask-token').hidden = true;
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readColours);
readColours();
showLegend();
follow();
