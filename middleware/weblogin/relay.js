
const answer = location.hash.slice(1);
if (answer) {
  history.replaceState(null, '', location.pathname);
  document.forms[0].elements.fragment.value = answer;
  document.forms[0].submit();
}
