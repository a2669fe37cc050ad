// Move two sliders to the clicked position; runs as `onclick` of the image.
const image=event.target.closest('img');if(!image)return;
const rect=image.getBoundingClientRect();
const at=[(event.clientY-rect.top)/rect.height,(event.clientX-rect.left)/rect.width];
const inputs=JSON.parse(this.dataset.sliders).map(name=>
[...this.closest('.xraylab').querySelectorAll('input')].find(input=>input.dataset.name===name));
inputs.forEach((input,i)=>{input.value=Math.floor(at[i]*(+input.max+1))});
inputs[0].dispatchEvent(new Event('input'))
