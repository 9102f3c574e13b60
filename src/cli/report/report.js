'use strict';
// The page's data: columns of numbers, one place a latent, and lists of strings that they count in.
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const latents = data.rows.length;
const text = (tag, content, name) => {
  const made = document.createElement(tag);
  if (content !== undefined) made.textContent = content;
  if (name) made.className = name;
  return made;
};
const percent = share => (share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toPrecision(2)) + ' %';
// Latents of one name are told apart by their numbers.
const times = new Map();
for (const name of data.name) times.set(name, (times.get(name) || 0) + 1);
const nameOf = i => data.name[i] < 0 ? 'latent ' + i
  : data.strings[data.name[i]] + (times.get(data.name[i]) > 1 ? ' #' + i : '');
const wordsOf = i => data.words[i].map(word => data.strings[word]);
const children = Array.from({ length: latents }, () => []);
data.parent.forEach((parent, i) => { if (parent >= 0) children[parent].push(i); });
for (const list of children) list.sort((a, b) => data.rows[b] - data.rows[a]);
// What the search box looks through, in small letters; made once.
const haystack = Array.from({ length: latents },
  (_, i) => (i + '\n' + (data.name[i] < 0 ? '' : nameOf(i) + '\n') + wordsOf(i).join('\n')).toLowerCase());

const state = { q: '', sort: 'name', level: '', named: false, dead: false, tree: false, latent: -1 };
const open = new Set();  // latents whose children the tree shows
let shown = [];          // of the list: [latent, depth]

const order = {
  name: (a, b) => (data.name[b] >= 0) - (data.name[a] >= 0) || data.cosine[b] - data.cosine[a],
  frequency: (a, b) => data.rows[b] - data.rows[a],
  rare: (a, b) => data.rows[a] - data.rows[b],
  coarse: (a, b) => data.rank[a] - data.rank[b],
  fine: (a, b) => data.rank[b] - data.rank[a],
  strength: (a, b) => data.maximum[b] - data.maximum[a],
  letters: (a, b) => (data.name[a] < 0) - (data.name[b] < 0) || nameOf(a).localeCompare(nameOf(b)),
  number: (a, b) => a - b,
};

function fits(i, words) {
  if (!state.dead && data.rows[i] === 0) return false;
  if (state.named && data.name[i] < 0) return false;
  if (state.level !== '' && data.level[i] !== +state.level) return false;
  return words.every(word => haystack[i].includes(word));
}

function choose() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (let i = 0; i < latents; ++i) if (fits(i, words)) found.push(i);
  const by = order[state.sort];
  // Of what is looked for, latents that are called so come before those that it is only near to.
  const isCalled = i => words.length > 0 && state.sort === 'name' && data.name[i] >= 0 &&
    words.every(word => nameOf(i).toLowerCase().includes(word));
  const called = new Set(found.filter(isCalled));
  const total = (a, b) => called.has(b) - called.has(a) || by(a, b) || a - b;
  if (!state.tree) {
    shown = found.sort(total).map(i => [i, 0]);
  } else {
    // Those that fit and what is above them; where something is looked for, unfolded as far as it takes.
    const wanted = new Set(), search = words.length > 0;
    for (const i of found) for (let at = i; at >= 0 && !wanted.has(at); at = data.parent[at]) wanted.add(at);
    const hits = new Set(found);
    const isAbove = new Set();
    if (search) for (const i of found) for (let at = data.parent[i]; at >= 0; at = data.parent[at]) isAbove.add(at);
    shown = [];
    const add = (i, depth) => {
      shown.push([i, depth]);
      if (!open.has(i) && !isAbove.has(i)) return;
      for (const child of children[i]) if (wanted.has(child)) add(child, depth + 1);
    };
    [...wanted].filter(i => data.parent[i] < 0 && (children[i].length > 0 || (search && hits.has(i)))).sort(total)
      .forEach(i => add(i, 0));
  }
  $('count').textContent = found.length.toLocaleString() + ' of ' + latents.toLocaleString() + ' latents' +
    (state.tree ? ', ' + shown.length.toLocaleString() + ' lines of the tree unfolded' : '');
}

// Only lines in sight exist, so that the number of latents does not matter.
const list = $('list'), space = $('space');
const height = () => parseFloat(getComputedStyle(list).getPropertyValue('--row')) *
  parseFloat(getComputedStyle(document.documentElement).fontSize);

function draw() {
  const each = height();
  space.style.height = shown.length * each + 'px';
  const first = Math.max(0, Math.floor(list.scrollTop / each) - 5);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / each) + 5);
  const items = [];
  for (let at = first; at < last; ++at) {
    const [i, depth] = shown[at];
    const item = text('div', undefined, 'item' + (data.name[i] < 0 ? ' unnamed' : ''));
    item.id = 'item' + i;
    item.style.top = at * each + 'px';
    item.dataset.latent = i;
    item.setAttribute('role', state.tree ? 'treeitem' : 'option');
    item.setAttribute('aria-selected', String(i === state.latent));
    item.setAttribute('aria-setsize', shown.length);
    item.setAttribute('aria-posinset', at + 1);
    if (state.tree) {
      item.style.paddingLeft = 0.3 + Math.min(depth, 8) + 'rem';
      item.setAttribute('aria-level', depth + 1);
      const isOpen = at + 1 < shown.length && shown[at + 1][1] > depth;
      if (children[i].length > 0) item.setAttribute('aria-expanded', String(isOpen));
      const fold = text('button', isOpen ? '▾' : '▸', 'fold' + (children[i].length > 0 ? '' : ' leaf'));
      fold.tabIndex = -1;
      fold.setAttribute('aria-label', isOpen ? 'fold' : 'unfold');
      item.append(fold);
    }
    item.append(text('span', nameOf(i), 'name'));
    if (data.level[i] > 0) item.append(text('span', 'level ' + data.level[i], 'soft'));
    item.append(text('span', percent(data.rows[i] / data.count), 'soft'));
    items.push(item);
  }
  space.replaceChildren(...items);
  const active = shown.some(([i]) => i === state.latent) ? 'item' + state.latent : '';
  if (active) list.setAttribute('aria-activedescendant', active); else list.removeAttribute('aria-activedescendant');
}

function reveal(i) {
  const at = shown.findIndex(([latent]) => latent === i);
  if (at < 0) return;
  const each = height();
  space.style.height = shown.length * each + 'px';
  if (at * each < list.scrollTop) list.scrollTop = at * each;
  if ((at + 1) * each > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * each - list.clientHeight;
}

function links(parent, title, entries) {
  if (entries.length === 0) return;
  parent.append(text('h4', title));
  const box = text('div', undefined, 'links');
  for (const [i, note] of entries) {
    const button = text('button', nameOf(i) + ' ');
    button.dataset.open = i;
    button.append(text('span', note, 'soft'));
    box.append(button);
  }
  parent.append(box);
}

function rowsOf(parent, i) {
  if (data.top[i].length === 0) return;
  parent.append(text('h4', 'Rows with most of it'));
  const box = text('ol', undefined, 'rows');
  for (const [row, value] of data.top[i]) {
    const item = text('li');
    const source = data.images[row];
    const label = data.labels[row] === undefined ? '' : data.strings[data.labels[row]];
    if (source !== undefined) {
      const image = text('img');
      image.loading = 'lazy';
      image.alt = label || 'row ' + row;
      image.src = source;
      item.append(image);
    }
    item.append(text('div', label || 'row ' + row));
    if (label) item.append(text('div', 'row ' + row, 'soft'));
    item.append(text('div', value.toPrecision(3), 'soft'));
    const meter = text('div', undefined, 'meter'), filled = text('span');
    filled.style.width = 100 * Math.min(1, Math.abs(value) / (data.maximum[i] || 1)) + '%';
    meter.append(filled);
    item.append(meter);
    box.append(item);
  }
  parent.append(box);
}

function detail() {
  const i = state.latent, box = $('concept');
  box.replaceChildren();
  $('explorer').classList.toggle('opened', i >= 0);
  if (i < 0) {
    box.append(text('p', 'Choose a concept: by a click, or with the arrow keys in the list.', 'soft'));
    return;
  }
  box.append(text('h3', nameOf(i)));
  const facts = text('dl', undefined, 'facts');
  const fact = (name, value) => { facts.append(text('dt', name), text('dd', value)); };
  fact('latent', String(i));
  if (wordsOf(i).length > 0) {
    fact(data.name[i] < 0 ? 'no name; nearest words' : 'nearest words', wordsOf(i).join(', '));
    fact('cosine, margin', data.cosine[i].toFixed(3) + ', ' + data.margin[i].toFixed(3));
  }
  fact('active on', data.rows[i].toLocaleString() + ' rows, ' + percent(data.rows[i] / data.count));
  if (data.rows[i] > 0) {
    fact('strength', 'mean ' + data.mean[i].toPrecision(3) + ', largest ' + data.maximum[i].toPrecision(3));
    fact('typical rank in a row', data.rank[i] + (data.level[i] > 0 ? ', level ' + data.level[i] : ''));
  }
  box.append(facts);
  const above = [];
  for (let at = i; data.parent[at] >= 0; at = data.parent[at]) {
    above.push([data.parent[at], 'there in ' + percent(data.present[at]) + ', active in ' + percent(data.together[at])]);
  }
  links(box, 'Special case of', above);
  links(box, 'Special cases', children[i].map(child => [child, 'this is there in ' + percent(data.present[child])]));
  links(box, 'Often together with', data.companions[i].map(([other, share, lift]) =>
    [other, percent(share) + ', ' + lift.toPrecision(2) + ' times as often as by chance']));
  rowsOf(box, i);
}

// ---- state, in the address too: pages can be linked to, and the browser's Back works

function address() {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (value !== '' && value !== false && value !== -1 && !(key === 'sort' && value === 'name')) words.set(key, value === true ? '1' : value);
  }
  return '#' + words;
}

function fromAddress() {
  const words = new URLSearchParams(location.hash.slice(1));
  state.q = words.get('q') || '';
  state.sort = Object.hasOwn(order, words.get('sort')) ? words.get('sort') : 'name';
  state.level = words.get('level') || '';
  for (const key of ['named', 'dead', 'tree']) state[key] = words.get(key) === '1';
  const latent = words.has('latent') ? Number(words.get('latent')) : -1;
  state.latent = Number.isInteger(latent) && latent >= 0 && latent < latents ? latent : -1;
  $('q').value = state.q;
  $('sort').value = state.sort;
  $('level').value = state.level;
  for (const key of ['named', 'dead', 'tree']) $(key).checked = state[key];
  unfoldAbove(state.latent);
  refresh();
  detail();
}

function refresh() {
  list.setAttribute('role', state.tree ? 'tree' : 'listbox');
  choose();
  reveal(state.latent);
  draw();
}

function unfoldAbove(i) {
  for (let at = i < 0 ? -1 : data.parent[i]; at >= 0; at = data.parent[at]) open.add(at);
}

function show(i, push) {
  state.latent = i;
  history[push ? 'pushState' : 'replaceState'](null, '', address());
  unfoldAbove(i);
  if (state.tree && i >= 0) choose();
  reveal(i);
  draw();
  detail();
}

function set(key, value) {
  state[key] = value;
  history.replaceState(null, '', address());
  list.scrollTop = 0;
  refresh();
}

function unfold(i, wide) {
  if (wide) open.add(i); else open.delete(i);
  choose();
  draw();
}

$('q').addEventListener('input', event => set('q', event.target.value.trim()));
$('sort').addEventListener('change', event => set('sort', event.target.value));
$('level').addEventListener('change', event => set('level', event.target.value));
for (const key of ['named', 'dead', 'tree']) $(key).addEventListener('change', event => set(key, event.target.checked));
list.addEventListener('scroll', draw, { passive: true });
list.addEventListener('click', event => {
  const item = event.target.closest('.item');
  if (!item) return;
  const i = Number(item.dataset.latent);
  if (event.target.closest('.fold') && children[i].length > 0) {
    unfold(i, item.getAttribute('aria-expanded') !== 'true');
  } else {
    show(i, true);
  }
});
list.addEventListener('keydown', event => {
  const at = shown.findIndex(([i]) => i === state.latent);
  const page = Math.max(1, Math.floor(list.clientHeight / height()) - 1);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: shown.length - 1 };
  if (event.key in to && shown.length > 0) {
    show(shown[Math.max(0, Math.min(shown.length - 1, to[event.key]))][0], false);
  } else if (state.tree && at >= 0 && (event.key === 'ArrowRight' || event.key === 'ArrowLeft')) {
    unfold(state.latent, event.key === 'ArrowRight');
  } else {
    return;
  }
  event.preventDefault();
});
$('detail').addEventListener('click', event => {
  const button = event.target.closest('[data-open]');
  if (button) show(Number(button.dataset.open), true);
});
$('back').addEventListener('click', () => { show(-1, true); list.focus(); });
document.addEventListener('keydown', event => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === '/' && !typing) { event.preventDefault(); $('q').focus(); }
  if (event.key === 'Escape' && event.target === $('q')) { $('q').value = ''; set('q', ''); }
});
addEventListener('popstate', fromAddress);
addEventListener('resize', draw);
for (const level of [...new Set(data.level)].filter(level => level > 0).sort((a, b) => a - b)) {
  $('level').append(new Option('level ' + level, level));
}
if (!data.parent.some(parent => parent >= 0)) $('tree').closest('label').hidden = true;
fromAddress();
