// The slider of the report: shows the row of the chosen prevalence. Every figure is in the page already.
const slider = document.getElementById('prevalence');
const chosen = document.getElementById('chosen');
const show = () => {
  for (const [place, row] of [...chosen.rows].entries()) row.hidden = place !== slider.valueAsNumber;
  const { name, said } = chosen.rows[slider.valueAsNumber].dataset;
  slider.setAttribute('aria-valuetext', name);
  slider.nextElementSibling.textContent = said;
};
slider.addEventListener('input', show);
slider.parentElement.hidden = chosen.hidden = false;
show();
