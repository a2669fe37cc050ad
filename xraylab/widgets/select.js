// Show the frame that the sliders of a scrubber select; runs as `oninput` of a slider.
const box=this.closest('.xraylab');let n=0;
for(const input of box.querySelectorAll('input')){
n+=input.value*input.dataset.stride;
const label=JSON.parse(input.dataset.values)[input.value];
input.setAttribute('aria-valuetext',label);
input.closest('.slider').querySelector('output').textContent=label}
box.querySelectorAll('.frame').forEach((frame,i)=>{frame.hidden=i!==n;
if(i===n){const content=frame.firstElementChild;
box.querySelector('.announcement').textContent=content.alt||content.getAttribute('aria-label')}})
